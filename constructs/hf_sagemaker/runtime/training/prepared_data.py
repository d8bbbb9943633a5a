"""Labelled texts that are tokenised already: Arrow files, and the tokenizer that made them.

    <train channel>/data.arrow  tokenizer/  prepared.json      <test channel>/data.arrow

A file is an Arrow stream, as the library `datasets` writes it: `datasets.Dataset.from_file` reads it too. It is mapped
into memory, not read: data may be larger than that.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA, DESCRIPTION, TOKENIZER = "data.arrow", "prepared.json", "tokenizer"
HELD_OUT = "held-out.arrow"
"""Beside the training data, where there is no test channel."""
_ROWS_AT_A_TIME = 1000


class Rows:
    """The rows of an Arrow file, each what a model takes for one text, and its `labels`."""

    def __init__(self, file: Path) -> None:
        import pyarrow

        with pyarrow.memory_map(str(file)) as mapped:
            self._table = pyarrow.ipc.open_stream(mapped).read_all()

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __getitem__(self, number: int) -> dict[str, Any]:
        return {name: self._table[name][number].as_py() for name in self._table.column_names}


@dataclass(frozen=True)
class PreparedDataset:
    """As `data.Dataset`, tokenised.

    tokenizer: folder of the one that made it. label_count, majority_baseline: as there.
    """

    train: Rows
    test: Rows
    label_count: int
    majority_baseline: float
    tokenizer: Path


def is_prepared(train_channel: Path) -> bool:
    """Whether a job has prepared the channel."""
    return (train_channel / DESCRIPTION).is_file()


def read_prepared(train_channel: Path, test_channel: Path | None) -> PreparedDataset:
    """Opens what `write_prepared` has written."""
    described = json.loads((train_channel / DESCRIPTION).read_bytes())
    held_out = train_channel / HELD_OUT
    return PreparedDataset(
        train=Rows(train_channel / DATA),
        test=Rows(held_out if held_out.is_file() or test_channel is None else test_channel / DATA),
        label_count=described["label_count"],
        majority_baseline=described["majority_baseline"],
        tokenizer=train_channel / TOKENIZER,
    )


def write_rows(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Writes an Arrow stream, some rows at a time."""
    import pyarrow

    lists = pyarrow.list_(pyarrow.int32())
    schema = pyarrow.schema([(name, lists if isinstance(rows[0][name], list) else pyarrow.int64()) for name in rows[0]])
    file.parent.mkdir(parents=True, exist_ok=True)
    with pyarrow.OSFile(str(file), "wb") as sink, pyarrow.ipc.new_stream(sink, schema) as stream:
        for part in _parts(rows):
            stream.write_batch(pyarrow.RecordBatch.from_pylist(part, schema=schema))


def _parts(rows: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for first in range(0, len(rows), _ROWS_AT_A_TIME):
        yield list(rows[first : first + _ROWS_AT_A_TIME])


def describe(train_channel: Path, *, label_count: int, majority_baseline: float) -> None:
    """Writes the description. The last thing that is written: without it nothing counts as prepared."""
    found = {"schema_version": "1", "label_count": label_count, "majority_baseline": majority_baseline}
    (train_channel / DESCRIPTION).write_text(json.dumps(found, indent=2) + "\n")
