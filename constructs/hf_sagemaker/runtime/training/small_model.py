"""A small classifier and its tokenizer, made from nothing but the training data: for trials and tests."""

from data import Example
from hyperparameters import Hyperparameters
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import DistilBertConfig, DistilBertForSequenceClassification, PreTrainedTokenizerFast

# More than the texts trained on may have: the server cuts nothing, and a longer text would be an error there.
_POSITIONS = 512

_SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}


def train_tokenizer(examples: list[Example], parameters: Hyperparameters) -> PreTrainedTokenizerFast:
    """Lower-cased byte pair encoding of words. The same examples always give the same vocabulary.

    A resumed run depends on that. WordPiece's trainer would break it: it numbers pieces in the order of a hash map that
    is seeded at random, and so breaks ties differently in each process.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=_SPECIAL["unk_token"]))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=parameters.vocab_size,
        min_frequency=2,
        special_tokens=list(_SPECIAL.values()),
        show_progress=False,
    )
    tokenizer.train_from_iterator((example.text for example in examples), trainer)
    first, last = _SPECIAL["cls_token"], _SPECIAL["sep_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} $B {last}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (first, last)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=max(_POSITIONS, parameters.max_length),
        model_input_names=["input_ids", "attention_mask"],
        **_SPECIAL,
    )


def build_model(
    tokenizer: PreTrainedTokenizerFast, names: dict[int, str], parameters: Hyperparameters
) -> DistilBertForSequenceClassification:
    """A DistilBERT of the given size with random weights; torch's seed decides which.

    names: of the labels 0 … n - 1.
    """
    configuration = DistilBertConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=max(_POSITIONS, parameters.max_length),
        dim=parameters.hidden_size,
        hidden_dim=2 * parameters.hidden_size,
        n_layers=parameters.layers,
        n_heads=parameters.heads,
        dropout=parameters.dropout,
        attention_dropout=parameters.dropout,
        seq_classif_dropout=parameters.dropout,
        pad_token_id=tokenizer.pad_token_id,
        id2label=names,
        label2id={name: number for number, name in names.items()},
    )
    return DistilBertForSequenceClassification(configuration)
