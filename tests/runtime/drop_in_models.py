"""Makes a tiny model with random weights per task. For the serving image's Python:

    drop_in_models.py FOLDER [NAME …]

Weights are larger than a fresh model's, whose answers are all the same: comparing them would prove nothing.
The kinds are chosen for what padding does to them: token types, positions that depend on the padding token (RoBERTa),
learned, rotary and relative positions, decoders without a padding token, and a sound model that must not be padded.
"""

import json
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import transformers as hf
from drop_in_texts import SENTENCES
from PIL import Image
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

POSITIONS = 256  # tokens; the longest texts of the tests have about 200
_SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
_ENTITIES = {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC"}


def _words(pairs_have_types: bool = True) -> hf.PreTrainedTokenizerFast:
    """Lower-cased words in pieces, `[CLS] … [SEP]`."""
    special = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]", continuing_subword_prefix="##"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    # Byte pairs, because the trainer of WordPiece breaks ties at random
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=list(special.values()), continuing_subword_prefix="##", show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    second = ":1" if pairs_have_types else ""
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair=f"[CLS] $A [SEP] $B{second} [SEP]{second}",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    names = ["input_ids", "attention_mask"]
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=POSITIONS,
        model_input_names=[*names, "token_type_ids"] if pairs_have_types else names,
        **{f"{name}_token": token for name, token in special.items()},
    )


def _bytes(*special: str, end: str = "", **tokens: str) -> hf.PreTrainedTokenizerFast:
    """Byte-level pieces. end: the special token that follows a text; tokens: as `eos_token="</s>"`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    # Only the bytes that occur: others would be unreadable in answers, and so equal
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=list(special), show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    if end:
        ids = [(end, tokenizer.token_to_id(end))]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"$A {end}", pair=f"$A {end} $B {end}", special_tokens=ids
        )
    names = ["input_ids", "attention_mask"]
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=POSITIONS, model_input_names=names, **tokens
    )


def _scaled(model: hf.PreTrainedModel, factor: float, part: str = "") -> hf.PreTrainedModel:
    """Matrices only, of what has `part` in its name: norms and biases stay as they are."""
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.dim() > 1 and part in name:
                weights.mul_(factor)
    return model.eval()


def _bert(tokenizer: hf.PreTrainedTokenizerFast, **more: object) -> hf.BertConfig:
    return hf.BertConfig(
        vocab_size=len(tokenizer), max_position_embeddings=POSITIONS, initializer_range=0.25, **_SIZES, **more
    )


def text_classification(folder: Path) -> None:
    tokenizer = _words(pairs_have_types=False)
    configuration = hf.DistilBertConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=POSITIONS,
        dim=32,
        hidden_dim=48,
        n_layers=2,
        n_heads=4,
        initializer_range=0.3,
        id2label={0: "dull", 1: "mixed", 2: "joyful"},
    )
    _save(folder, hf.DistilBertForSequenceClassification(configuration).eval(), tokenizer)


def token_classification(folder: Path) -> None:
    tokenizer = _words()
    _save(folder, hf.BertForTokenClassification(_bert(tokenizer, id2label=_ENTITIES)).eval(), tokenizer)


def question_answering(folder: Path) -> None:
    tokenizer = _words()
    _save(folder, hf.BertForQuestionAnswering(_bert(tokenizer)).eval(), tokenizer)


def fill_mask(folder: Path) -> None:
    special = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    tokens = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "mask_token": "<mask>"}
    tokenizer = _bytes(*special, end="</s>", **tokens)
    configuration = hf.RobertaConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=POSITIONS + 2,
        type_vocab_size=1,
        initializer_range=0.25,
        **_SIZES,
    )
    _save(folder, hf.RobertaForMaskedLM(configuration).eval(), tokenizer)


def feature_extraction(folder: Path) -> None:
    tokenizer = _words()
    _save(folder, hf.BertModel(_bert(tokenizer)).eval(), tokenizer)


def zero_shot(folder: Path) -> None:
    tokenizer = _words()
    verdicts = {0: "contradiction", 1: "neutral", 2: "entailment"}
    configuration = _bert(tokenizer, id2label=verdicts, label2id={name: number for number, name in verdicts.items()})
    _save(folder, hf.BertForSequenceClassification(configuration).eval(), tokenizer)


def summarization(folder: Path) -> None:
    tokenizer = _bytes("<pad>", "</s>", "<unk>", end="</s>", pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
    configuration = hf.T5Config(
        vocab_size=len(tokenizer),
        d_model=32,
        d_kv=8,
        d_ff=48,
        num_layers=2,
        num_heads=4,
        decoder_start_token_id=0,
        tie_word_embeddings=False,  # tied ones repeat themselves
        task_specific_params={"summarization": {"prefix": "summarize: "}},
    )
    _save(folder, _scaled(hf.T5ForConditionalGeneration(configuration), 3.0), tokenizer)


def translation(folder: Path) -> None:
    tokenizer = _bytes("<pad>", "</s>", "<unk>", end="</s>", pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
    configuration = hf.MarianConfig(
        vocab_size=len(tokenizer),
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=48,
        decoder_ffn_dim=48,
        max_position_embeddings=POSITIONS,
        pad_token_id=0,
        eos_token_id=1,
        forced_eos_token_id=1,
        decoder_start_token_id=0,
        init_std=0.6,
        is_encoder_decoder=True,
        tie_word_embeddings=False,
    )
    _save(folder, _scaled(hf.MarianMTModel(configuration), 2.0, part="encoder_attn"), tokenizer)


def gpt2(folder: Path) -> None:
    tokenizer = _bytes("<|end|>", eos_token="<|end|>", bos_token="<|end|>")
    configuration = hf.GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=POSITIONS,
        n_embd=32,
        n_layer=2,
        n_head=4,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=0,
        tie_word_embeddings=False,
    )
    _save(folder, hf.GPT2LMHeadModel(configuration).eval(), tokenizer)


def llama(folder: Path) -> None:
    tokenizer = _bytes("<s>", "</s>", bos_token="<s>", eos_token="</s>")
    configuration = hf.LlamaConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=POSITIONS,
        num_key_value_heads=2,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=1,
        **_SIZES,
    )
    _save(folder, hf.LlamaForCausalLM(configuration).eval(), tokenizer)


def image_classification(folder: Path) -> None:
    configuration = hf.ViTConfig(
        image_size=32,
        patch_size=8,
        initializer_range=0.25,
        id2label=dict(enumerate(("cat", "dog", "boat", "tree", "chair", "cloud"))),
        **_SIZES,
    )
    processor = hf.ViTImageProcessor(size={"height": 32, "width": 32})
    _save(folder, hf.ViTForImageClassification(configuration).eval(), processor)


def speech_recognition(folder: Path) -> None:
    """With group norm, as wav2vec2-base has it: whatever is added to a sound changes all of it."""
    folder.mkdir()
    letters = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ETAOINSHRDLU"]
    (folder / "vocab.json").write_text(json.dumps({letter: number for number, letter in enumerate(letters)}))
    tokenizer = hf.Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))
    extractor = hf.Wav2Vec2FeatureExtractor(return_attention_mask=False)
    configuration = hf.Wav2Vec2Config(
        vocab_size=len(letters),
        conv_dim=(16, 16, 16),
        conv_stride=(10, 8, 4),
        conv_kernel=(20, 8, 4),
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        feat_extract_norm="group",
        pad_token_id=0,
        initializer_range=0.3,
        **_SIZES,
    )
    model = hf.Wav2Vec2ForCTC(configuration).eval()
    _save(folder, model, hf.Wav2Vec2Processor(feature_extractor=extractor, tokenizer=tokenizer))


MODELS: dict[str, Callable[[Path], None]] = {
    "text-classification": text_classification,
    "token-classification": token_classification,
    "question-answering": question_answering,
    "fill-mask": fill_mask,
    "feature-extraction": feature_extraction,
    "zero-shot-classification": zero_shot,
    "summarization": summarization,
    "translation": translation,
    "text-generation": gpt2,
    "text-generation-llama": llama,
    "image-classification": image_classification,
    "automatic-speech-recognition": speech_recognition,
}


def _save(folder: Path, model: hf.PreTrainedModel, processor: object) -> None:
    model.save_pretrained(folder)
    processor.save_pretrained(folder)  # type: ignore[attr-defined]


def make_media(folder: Path) -> None:
    """Images of several sizes and modes, and sounds of several lengths and rates."""
    folder.mkdir()
    chance = np.random.default_rng(5)
    for number, (width, height) in enumerate(((32, 32), (64, 48), (17, 90), (200, 120))):
        coarse = Image.fromarray(chance.integers(0, 256, (5, 7, 3), dtype=np.uint8))
        coarse.resize((width, height)).save(folder / f"{number}.png")
        coarse.resize((width, height)).save(folder / f"{number}.jpg")
    Image.fromarray(chance.integers(0, 256, (40, 40), dtype=np.uint8)).save(folder / "grey.png")
    for number, (seconds, rate) in enumerate(((0.3, 16000), (1.0, 16000), (1.0, 16000), (2.2, 16000), (0.7, 8000))):
        time = np.arange(int(seconds * rate)) / rate
        tones = sum(np.sin(2 * np.pi * tone * time * (1 + time)) for tone in chance.uniform(100, 3000, 4))
        with wave.open(str(folder / f"{number}.wav"), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(rate)
            sound.writeframes((tones * 6000).astype("<i2").tobytes())


def main(folder: Path, names: list[str]) -> None:
    """names: of the models to make; none: all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    make_media(folder / "media")
    for number, (name, make) in enumerate(MODELS.items()):
        if not names or name in names:
            torch.manual_seed(number)
            make(folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
