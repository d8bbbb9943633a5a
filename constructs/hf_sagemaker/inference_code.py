"""Inference code of a team's own, as the inference toolkit runs it: what would fail in the container.

Imports no CDK: settings and the operator's command look at code with it.
"""

import ast
import re
from pathlib import Path

INFERENCE, REQUIREMENTS = "inference.py", "requirements.txt"
"""The names by which the container looks for them, below `code/` in the model."""
LEFT_OUT = (".*", "__pycache__")
"""Hidden files and compiled Python, as patterns of names: they are no code of anybody's."""
_FUNCTIONS = ("model_fn", "input_fn", "predict_fn", "output_fn", "transform_fn")
_PINNED = re.compile(r"^[A-Za-z0-9._-]+(\[[^\]]*\])?==[^*\s]+( *;.*)?( --hash=\S+)*$|^--hash=\S+$")


def code_problems(folder: Path) -> list[str]:
    """Everything that is wrong with a folder of code, one sentence each."""
    if not folder.is_dir():
        return [f"{folder} is no folder."]
    inference, requirements = folder / INFERENCE, folder / REQUIREMENTS
    if not inference.is_file():
        return [missing(folder)]
    return [*functions(inference)[1], *(unpinned(requirements) if requirements.is_file() else [])]


def missing(folder: Path) -> str:
    """That there is no inference.py in the folder."""
    return f"{folder}: {INFERENCE} is missing; the container looks for it by this name."


def functions(inference: Path) -> tuple[set[str], list[str]]:
    """What inference.py defines, and what is wrong with it."""
    try:
        tree = ast.parse(inference.read_bytes())
    except (SyntaxError, ValueError) as error:
        return set(), [f"{inference}: not Python: {error}."]
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    names |= {alias.asname or alias.name for node in imports for alias in node.names}
    if names & set(_FUNCTIONS):
        return names, []
    return names, [f"{inference}: defines none of {', '.join(_FUNCTIONS)}, so the container would load it in vain."]


def unpinned(requirements: Path) -> list[str]:
    """The packages of a requirements file that have no version, in one sentence; empty when each has one."""
    loose = [line for line in requirement_lines(requirements) if not _PINNED.match(line)]
    if not loose:
        return []
    return [
        f"{requirements}: {', '.join(loose[:3])}: every package needs its version (name==1.2.3). Otherwise a container "
        "that starts tomorrow is another one than today's."
    ]


def requirement_lines(requirements: Path) -> list[str]:
    """The lines that name packages: continued ones joined, comments left out."""
    text = requirements.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = (re.sub(r"(^|\s)#.*", "", line) for line in text.splitlines())
    return [" ".join(line.split()) for line in lines if line.strip()]
