"""Requirements of images: what may be installed, and what is said of the rest."""

import pytest

from hf_sagemaker.requirements import are_hashed, pins, read_requirements, requirement_problems

HASH = "--hash=sha256:" + "0" * 64


@pytest.mark.parametrize(
    "line",
    [
        "transformers==4.57.1",
        "accelerate[testing,deepspeed]==1.2.0",
        "soundfile == 0.13.1 ; python_version > '3.9'",
        f"tokenizers==0.22.1 {HASH} {HASH}",
        "numba==0.62.0rc1+local",
    ],
)
def test_a_pinned_requirement_is_sound(line: str) -> None:
    assert requirement_problems([line]) == []


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["transformers"], "'transformers' must be pinned: name==version"),
        (["transformers>=4.57"], "must be pinned"),
        (["transformers==4.*"], "must be pinned"),
        (["git+https://github.com/huggingface/transformers@main"], "must be pinned"),
        (["--index-url=https://example.org/simple"], "with nothing before it and no other option"),
        (["torch==2.8.0"], "torch and its CUDA are the base's own; take a base that has it"),
        (["a-b==1", "A_b==2"], "a-b is named before it"),
        (["a==1", f"b==2 {HASH}"], "every line must have hashes once one has them"),
    ],
)
def test_what_may_not_be_installed_is_told(lines: list[str], reason: str) -> None:
    (problem,) = requirement_problems(lines)
    assert reason in problem


def test_a_file_is_read_as_pip_reads_it() -> None:
    continued = f"transformers==4.57.1 \\\n    {HASH} \\\n    {HASH}\n"
    text = f"# what speech needs\n{continued}\nsoundfile==0.13.1 {HASH}  # of audio\n"
    lines = read_requirements(text)
    assert lines == [f"transformers==4.57.1 {HASH} {HASH}", f"soundfile==0.13.1 {HASH}"]
    assert requirement_problems(lines) == []
    assert are_hashed(lines)
    assert not are_hashed(["a==1"])


def test_pins_have_names_as_pip_compares_them() -> None:
    text = "Accelerate[all]==1.2 ; python_version > '3'\ntorch>=2\nA_b.c==1\n"
    assert pins(text) == {"accelerate": "1.2", "a-b-c": "1"}
