"""A model and its code as SageMaker serves them: which files belong together, and what would fail in the container."""

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hf_sagemaker.inference_code import INFERENCE, REQUIREMENTS, functions, missing, requirement_lines, unpinned
from hfsm.archive import files_below

CODE = "code/"
"""Where the inference toolkit looks for inference.py and requirements.txt, in the archive."""
# Loading one of these may run code that it carries. A Trainer leaves some beside the model; serving needs none.
_PICKLES = {".bin", ".ckpt", ".h5", ".joblib", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pth"}


@dataclass(frozen=True)
class ModelFolder:
    """What goes into the archive.

    files: name in it → file. left_out: pickles that no one needs. problems: one paragraph each; none: it can be served.
    has_requirements: the container would install packages when it starts.
    """

    files: dict[str, Path]
    left_out: list[str]
    problems: list[str]
    has_requirements: bool


def look_into(model: Path, code: Path | None, *, allow_pickle: bool = False) -> ModelFolder:
    """A folder as `save_pretrained` writes it, and one with inference.py and perhaps requirements.txt.

    allow_pickle: weights may be in formats that run code when they are loaded.
    """
    everything = files_below(model) if model.is_dir() else {}
    own_code = [name for name in everything if name.startswith(CODE)]
    problems = [] if everything else [f"{model} is no folder with files. Name one as save_pretrained writes it."]
    if own_code and code:
        problems.append(f"{model} holds code/ already, and --code names {code}. Move one away: which is meant?")
    pickles = [name for name in everything if PurePosixPath(name).suffix in _PICKLES and not name.startswith(CODE)]
    left_out = [] if allow_pickle else pickles
    files = {name: path for name, path in everything.items() if name not in left_out}
    if code:
        files |= {CODE + name: path for name, path in files_below(code).items()}
    inference, requirements = files.get(CODE + INFERENCE), files.get(CODE + REQUIREMENTS)
    defined, code_problems = functions(inference) if inference else (set(), [])
    if everything:
        problems += _model_problems(model, files, pickles, loads_itself="model_fn" in defined)
    if code and not inference:
        problems.append(missing(code))
    problems += code_problems
    if requirements:
        problems += unpinned(requirements)
    return ModelFolder(
        files, left_out, problems, has_requirements=bool(requirements and requirement_lines(requirements))
    )


def _model_problems(model: Path, files: dict[str, Path], pickles: list[str], *, loads_itself: bool) -> list[str]:
    problems = []
    configurations = {"config.json", "model_index.json"} & set(files)
    if not configurations and not loads_itself:
        nested = [name for name in files if name.endswith("/config.json")]
        hint = f" It is in {PurePosixPath(nested[0]).parent}/: name that folder." if nested else ""
        problems.append(f"{model}: config.json is missing, and no inference.py with a model_fn loads the model.{hint}")
    for name in sorted(configurations):
        try:
            json.loads(files[name].read_bytes())
        except ValueError as error:
            problems.append(f"{files[name]}: not JSON: {error}.")
    if any(name.endswith(".safetensors") or PurePosixPath(name).suffix in _PICKLES for name in files):
        return problems
    if pickles:
        problems.append(
            f"{model}: the weights are in a format that may run code when it is loaded ({', '.join(pickles[:3])}). "
            "Save them with save_pretrained(…, safe_serialization=True), or, when you trust whoever made them, add "
            "--allow-pickle."
        )
    elif not loads_itself:
        problems.append(f"{model}: holds no weights (*.safetensors).")
    return problems
