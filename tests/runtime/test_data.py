from pathlib import Path

import pytest

GOOD = '{"text": "fine", "label": 1}\n{"text": "bad", "label": 0}\n'


@pytest.fixture(scope="module")
def data(module):
    return module("training/data.py")


@pytest.fixture
def channels(tmp_path: Path):
    def make(train: str | bytes = GOOD, test: str | bytes | None = GOOD) -> tuple[Path, Path | None]:
        for name, content in (("train", train), ("test", test)):
            (tmp_path / name).mkdir()
            if content is not None:
                (tmp_path / name / f"{name}.jsonl").write_bytes(
                    content if isinstance(content, bytes) else content.encode()
                )
        return tmp_path / "train", tmp_path / "test"

    return make


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": "cut off', r"line 3: not JSON \(Unterminated string.*column 10\); expected one object per line"),
        ("", "line 3: the line is empty"),
        ("[1, 2]", "line 3: found a list instead of an object"),
        ('{"text": "no label"}', r"line 3: the field 'label' is missing \(found: 'text'\)"),
        ('{"text": "  ", "label": 0}', "line 3: 'text' is \"  \", not a string"),
        ('{"text": 5, "label": 0}', "line 3: 'text' is 5, not a string"),
        ('{"text": "a", "label": -1}', "line 3: 'label' is -1, not an integer from 0"),
        ('{"text": "a", "label": true}', "line 3: 'label' is true, not an integer from 0"),
        ('{"text": "a", "label": "1"}', "line 3: 'label' is \"1\", not an integer from 0"),
    ],
)
def test_a_broken_line_is_named_with_what_is_wrong(data, channels, line: str, said: str) -> None:
    with pytest.raises(data.DataError, match=rf"train/train\.jsonl, {said}"):
        data.read_dataset(*channels(train=f"{GOOD}{line}\n{GOOD}"))


def test_a_line_that_is_not_utf8_is_named(data, channels) -> None:
    with pytest.raises(data.DataError, match=r"line 3: byte 11 is not UTF-8"):
        data.read_dataset(*channels(train=GOOD.encode() + b'{"text": "\xff", "label": 0}\n'))


def test_problems_of_both_files_are_told_at_once_but_not_more_than_ten(data, channels) -> None:
    with pytest.raises(data.DataError) as raised:
        data.read_dataset(*channels(train=GOOD + "broken\n" * 9, test=GOOD + "broken\n" * 4))

    lines = str(raised.value).splitlines()
    assert len(lines) == 11
    assert lines[8].startswith("train/train.jsonl, line 11:")
    assert lines[9].startswith("test/test.jsonl, line 3:")
    assert lines[10] == "… and 3 more problems."


def test_an_empty_file_is_an_error(data, channels) -> None:
    with pytest.raises(data.DataError, match=r"train/train\.jsonl is empty: expected"):
        data.read_dataset(*channels(train="\n"))


def test_a_missing_file_is_an_error_that_says_what_is_there(data, channels, tmp_path: Path) -> None:
    train, test = channels(test=None)
    (tmp_path / "test/validation.csv").touch()
    with pytest.raises(data.DataError, match=r"test/test\.jsonl is missing: the channel holds validation\.csv"):
        data.read_dataset(train, test)


def test_labels_must_be_contiguous_from_zero(data, channels) -> None:
    gap = '{"text": "a", "label": 0}\n{"text": "b", "label": 3}\n'
    with pytest.raises(data.DataError, match=r"labels go up to 3, but 1, 2 never occurs"):
        data.read_dataset(*channels(train=gap, test='{"text": "a", "label": 0}\n'))


def test_one_label_is_not_enough(data, channels) -> None:
    same = '{"text": "a", "label": 0}\n'
    with pytest.raises(data.DataError, match=r"the only label is 0"):
        data.read_dataset(*channels(train=same, test=same))


def test_a_test_label_that_is_never_trained_is_an_error(data, channels) -> None:
    with pytest.raises(data.DataError, match=r"test\.jsonl: the label 2 never occurs in train\.jsonl"):
        data.read_dataset(*channels(test='{"text": "a", "label": 2}\n'))


def test_the_majority_baseline_is_the_share_of_the_most_frequent_test_label(data, channels) -> None:
    dataset = data.read_dataset(*channels(test=GOOD + '{"text": "again", "label": 0}\n' * 2))

    assert dataset.majority_baseline == 0.75
    assert dataset.label_count == 2


def test_line_separators_inside_a_text_do_not_split_it(data, channels) -> None:
    dataset = data.read_dataset(*channels(train=GOOD + '{"text": "one\u2028two", "label": 0}'))

    assert dataset.train[2].text == "one\u2028two"


def test_without_a_test_channel_every_tenth_line_is_held_out(data, channels) -> None:
    train, _ = channels(train=GOOD * 10)
    dataset = data.read_dataset(train, None)

    assert (len(dataset.train), len(dataset.test)) == (18, 2)
