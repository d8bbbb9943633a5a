"""Reading Dockerfiles: lines in, instructions out, every problem at once."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

SUPPORTED = ("ARG", "FROM", "COPY", "ENV", "WORKDIR", "RUN", "USER", "LABEL", "EXPOSE", "ENTRYPOINT", "CMD")

_VARIABLE = re.compile(r"\\\$|\$(?:(?P<plain>\w+)|\{(?P<name>\w+)(?:(?P<operator>:[-+])(?P<word>[^}]*))?\})")


class DockerfileError(Exception):
    """The Dockerfile cannot be built here. The message has one line per problem, each with its line number."""


@dataclass(frozen=True)
class Instruction:
    """One instruction. line: 1-based number of its first line. text: its arguments, continuation lines joined."""

    line: int
    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.name} {self.text}"

    def error(self, problem: str) -> DockerfileError:
        return DockerfileError(f"line {self.line}: {self.name}: {problem}")

    def exec_form(self) -> list[str]:
        """The JSON array of an ENTRYPOINT or CMD."""
        try:
            words = json.loads(self.text)
        except ValueError:
            words = None
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise self.error(f'only the exec form ["program", "argument"] works here, not: {self.text}')
        return words


def parse(text: str) -> list[Instruction]:
    """All instructions of a Dockerfile with one build stage. DockerfileError: names every line that cannot be done."""
    instructions = []
    problems = []
    for line, logical in _logical_lines(text):
        name, _, arguments = logical.partition(" ")
        instruction = Instruction(line, name.upper(), arguments.strip())
        if instruction.name not in SUPPORTED:
            problems.append(f"line {line}: {instruction.name} is not supported; what is: {', '.join(SUPPORTED)}")
        elif not instruction.text:
            problems.append(f"line {line}: {instruction.name} has no arguments")
        elif instruction.text.startswith("<<"):
            problems.append(f"line {line}: {instruction.name}: here-documents are not supported")
        instructions.append(instruction)
    stages = [instruction for instruction in instructions if instruction.name == "FROM"]
    if not stages:
        problems.append("line 1: there is no FROM")
    problems += [f"line {stage.line}: a second FROM: only one build stage is supported" for stage in stages[1:]]
    if stages:
        early = [i for i in instructions[: instructions.index(stages[0])] if i.name != "ARG"]
        problems += [f"line {i.line}: {i.name} stands before FROM, where only ARG may" for i in early]
    if problems:
        raise DockerfileError("\n".join(problems))
    return instructions


def _logical_lines(text: str) -> list[tuple[int, str]]:
    lines: list[tuple[int, str]] = []
    parts: list[str] = []
    first = 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue  # Docker drops them inside a continued instruction, too
        first = first if parts else number
        parts.append(line.removesuffix("\\").strip())
        if not line.endswith("\\"):
            lines.append((first, " ".join(parts)))
            parts = []
    if parts:
        lines.append((first, " ".join(parts)))
    return lines


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """$name, ${name}, ${name:-default} and ${name:+replacement}, as Docker does; an unknown name is empty."""

    def value(match: re.Match[str]) -> str:
        if match[0] == r"\$":
            return "$"
        known = variables.get(match["plain"] or match["name"], "")
        if match["operator"] == ":-":
            return known or match["word"]
        if match["operator"] == ":+":
            return match["word"] if known else ""
        return known

    return _VARIABLE.sub(value, text)
