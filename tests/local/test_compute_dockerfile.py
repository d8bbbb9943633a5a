"""Dockerfiles are read as Docker reads them, and what cannot be done here is named with its line."""

import pytest

from localcloud.images.dockerfile import DockerfileError, parse, substitute


def test_a_continued_instruction_is_one_with_the_number_of_its_first_line() -> None:
    # Given an instruction over three lines with a comment inside
    text = "FROM base\n\nRUN pip install \\\n    # why it is there\n    --no-deps \\\n    numpy\nENV A=1\n"

    # When it is read
    instructions = parse(text)

    # Then it is one instruction, at the line where it began
    assert [(i.line, i.name, i.text) for i in instructions] == [
        (1, "FROM", "base"),
        (3, "RUN", "pip install --no-deps numpy"),
        (7, "ENV", "A=1"),
    ]


def test_all_problems_are_told_at_once_with_their_lines() -> None:
    # Given a Dockerfile with three things that are not supported
    text = "FROM base\nHEALTHCHECK NONE\nRUN <<EOF\nFROM other\nSHELL []\n"

    # When it is read
    with pytest.raises(DockerfileError) as error:
        parse(text)

    # Then every one of them is named
    lines = str(error.value).splitlines()
    assert lines[0].startswith("line 2: HEALTHCHECK is not supported; what is: ARG, FROM")
    assert "line 3: RUN: here-documents are not supported" in lines
    assert "line 4: a second FROM: only one build stage is supported" in lines
    assert any(line.startswith("line 5: SHELL is not supported") for line in lines)


def test_only_arg_may_stand_before_from() -> None:
    with pytest.raises(DockerfileError, match=r"line 2: ENV stands before FROM"):
        parse("ARG TAG=1\nENV A=1\nFROM base:${TAG}\n")


def test_a_file_without_from_is_refused() -> None:
    with pytest.raises(DockerfileError, match="there is no FROM"):
        parse("ARG A\n")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A-${A}", "one-one"),
        ("${MISSING}", ""),
        ("${MISSING:-two}", "two"),
        ("${A:-two}", "one"),
        ("${A:+set}", "set"),
        ("${MISSING:+set}", ""),
        (r"\$A", "$A"),
    ],
)
def test_variables_are_replaced_as_docker_does(text: str, value: str) -> None:
    assert substitute(text, {"A": "one"}) == value


def test_the_shell_form_of_an_entry_point_is_refused() -> None:
    entrypoint = parse("FROM base\nENTRYPOINT python serve.py\n")[1]
    with pytest.raises(DockerfileError, match=r"line 2: ENTRYPOINT: only the exec form .* not: python serve.py"):
        entrypoint.exec_form()
