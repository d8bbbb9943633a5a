"""What is known of the tasks: which architectures serve them, and what their inputs are made of."""

# The endings of architectures' names, as the toolkit maps them; of several that fit, the last counts, as there.
_TASK_OF_ENDING = {
    "ForQuestionAnswering": "question-answering",
    "TapasForQuestionAnswering": "table-question-answering",
    "ForTokenClassification": "token-classification",
    "ForSequenceClassification": "text-classification",
    "ForMultipleChoice": "multiple-choice",
    "ForMaskedLM": "fill-mask",
    "ForCausalLM": "text-generation",
    "ForConditionalGeneration": "text2text-generation",
    "MTModel": "text2text-generation",
    "EncoderDecoderModel": "text2text-generation",
    "GPT2LMHeadModel": "text-generation",
    "T5WithLMHeadModel": "text2text-generation",
    # The toolkit knows none of these, and cannot start without HF_TASK.
    "ForImageClassification": "image-classification",
    "ForObjectDetection": "object-detection",
    "ForCTC": "automatic-speech-recognition",
    "ForAudioClassification": "audio-classification",
}
# transformers' other names for the same tasks.
_SAME_AS = {
    "sentiment-analysis": "text-classification",
    "ner": "token-classification",
    "vqa": "visual-question-answering",
    "text-to-speech": "text-to-audio",
}

GENERATING = {"text-generation", "text2text-generation", "summarization", "translation"}
# Inputs are texts: one, or a list.
TEXT = {"text-classification", "token-classification", "feature-extraction", "fill-mask"} | GENERATING
# Inputs are objects with texts.
QUESTION = {"question-answering", "table-question-answering"}
ZERO_SHOT = {"zero-shot-classification"}
# Inputs are images, or objects that hold one.
IMAGE = {
    "image-classification",
    "image-segmentation",
    "image-feature-extraction",
    "object-detection",
    "depth-estimation",
    "mask-generation",
    "image-to-image",
    "image-to-text",
    "image-text-to-text",
    "zero-shot-image-classification",
    "zero-shot-object-detection",
    "visual-question-answering",
    "document-question-answering",
    "keypoint-matching",
}
AUDIO = {"automatic-speech-recognition", "audio-classification", "zero-shot-audio-classification"}
# Answers are images.
MAKES_IMAGES = {"text-to-image", "image-to-image"}
NEEDS_LABELS = {
    "zero-shot-classification",
    "zero-shot-image-classification",
    "zero-shot-audio-classification",
    "zero-shot-object-detection",
}


def canonical(task: str | None) -> str | None:
    """The task's own name: of `ner`, of `translation_en_to_fr`."""
    if task is not None and task.startswith("translation"):
        return "translation"
    return _SAME_AS.get(task or "", task)


def task_of(architecture: str) -> str | None:
    """The task that a model of this architecture serves; None: not known."""
    found = [task for ending, task in _TASK_OF_ENDING.items() if architecture.endswith(ending)]
    return found[-1] if found else None


def is_known(task: str) -> bool:
    """Whether a transformers version that this server runs with serves the task."""
    return canonical(task) in TEXT | QUESTION | ZERO_SHOT | IMAGE | AUDIO
