import json
import shutil
import struct
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def checkpoints(module):
    return module("training/checkpoints.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three whole checkpoints: of steps 50, 100 and 900, whose names do not sort by number."""
    for step in (50, 100, 900):
        _write_checkpoint(tmp_path / f"checkpoint-{step}", step)
    return tmp_path


def _write_checkpoint(path: Path, step: int) -> None:
    path.mkdir()
    (path / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    (path / "config.json").write_text("{}")
    header = json.dumps({"weight": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    (path / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        with zipfile.ZipFile(path / name, "w") as archive:
            archive.writestr("archive/data.pkl", b"x" * 500)


def test_the_newest_is_the_one_with_the_most_steps(checkpoints, folder: Path) -> None:
    (folder / "checkpoint-best").mkdir()

    assert checkpoints.newest_intact(folder) == folder / "checkpoint-900"


@pytest.mark.parametrize(("tuned", "folder"), [(True, "checkpoints/tune-001-abc"), (False, "checkpoints")])
def test_children_of_a_tuning_job_keep_theirs_apart(checkpoints, tmp_path: Path, tuned: bool, folder: str) -> None:
    (tmp_path / "input/config").mkdir(parents=True)
    given = {"epochs": "3", **({"_tuning_objective_metric": "loss"} if tuned else {})}
    (tmp_path / "input/config/hyperparameters.json").write_text(json.dumps(given))

    assert checkpoints.folder_of_job(tmp_path, "tune-001-abc") == tmp_path / folder


def test_without_checkpoints_there_is_none(checkpoints, tmp_path: Path) -> None:
    assert checkpoints.newest_intact(tmp_path / "absent") is None


@pytest.mark.parametrize(
    "name",
    ["trainer_state.json", "config.json", "model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"],
)
@pytest.mark.parametrize("damage", ["cut off", "empty", "missing"])
def test_a_damaged_one_is_skipped_and_named(checkpoints, folder: Path, name: str, damage: str) -> None:
    path = folder / "checkpoint-900" / name
    if damage == "missing":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) - 1] if damage == "cut off" else b"")
    said: list[str] = []

    assert checkpoints.newest_intact(folder, said.append) == folder / "checkpoint-100"

    (line,) = said
    assert line.startswith("WARNING: skipping checkpoint-900, which is not whole: ")
    assert name.partition(".")[0] in line


def test_a_flipped_byte_of_the_optimizer_is_found(checkpoints, folder: Path) -> None:
    path = folder / "checkpoint-900/optimizer.pt"
    path.write_bytes(path.read_bytes().replace(b"xxx", b"xyx", 1))

    assert "optimizer.pt" in checkpoints.damage(folder / "checkpoint-900")


def test_every_part_of_sharded_weights_is_looked_at(checkpoints, folder: Path) -> None:
    checkpoint = folder / "checkpoint-900"
    (checkpoint / "model.safetensors").rename(checkpoint / "model-00001-of-00002.safetensors")
    weight_map = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))

    assert checkpoints.damage(checkpoint) == "model-00002-of-00002.safetensors is missing"


def test_a_state_of_another_step_is_damage(checkpoints, folder: Path) -> None:
    (folder / "checkpoint-900/trainer_state.json").write_text('{"global_step": 850}')

    assert checkpoints.damage(folder / "checkpoint-900") == "trainer_state.json is of step 850"


def test_a_manifest_vouches_for_every_file_of_every_process(checkpoints, folder: Path) -> None:
    # Given a checkpoint of two processes, with weights in a format that only its framework knows
    checkpoint = folder / "checkpoint-900"
    (checkpoint / "model.safetensors").rename(checkpoint / "shard_0.distcp")
    (checkpoint / "rng_state.pth").rename(checkpoint / "rng_state_0.pth")
    assert checkpoints.damage(checkpoint)
    checkpoints.finish(checkpoint, {**checkpoints.sizes(checkpoint), "rng_state_1.pth": 500}, processes=2)

    # Then it is whole only with the other instance's part, in its size
    assert checkpoints.damage(checkpoint) == "rng_state_1.pth is missing"
    shutil.copy(checkpoint / "rng_state_0.pth", checkpoint / "rng_state_1.pth")
    assert checkpoints.damage(checkpoint).startswith("rng_state_1.pth has ")
    checkpoints.finish(checkpoint, checkpoints.sizes(checkpoint), processes=2)
    assert checkpoints.damage(checkpoint) is None
    (checkpoint / "shard_0.distcp").write_bytes(b"half")
    assert checkpoints.damage(checkpoint).startswith("shard_0.distcp has 4 bytes of ")


def test_several_processes_without_a_manifest_have_not_finished(checkpoints, folder: Path) -> None:
    (folder / "checkpoint-900/rng_state.pth").rename(folder / "checkpoint-900/rng_state_0.pth")

    assert "no manifest.json" in checkpoints.damage(folder / "checkpoint-900")


def test_what_an_interruption_left_after_the_chosen_one_is_removed(checkpoints, folder: Path) -> None:
    checkpoints.remove_newer(folder, 50)

    assert [path.name for path in folder.iterdir()] == ["checkpoint-50"]
