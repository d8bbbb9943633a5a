"""`hfsm mirror`: brings the Hub's models of the settings into the models bucket, and shows which are there."""

import re
import time
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hfsm.cloud import Parameters
from hfsm.code_build import CodeBuild
from hfsm.errors import OperatorError, WrongUseError
from hfsm.mirrored import mirrored_models
from hfsm.progress import Progress, seconds_text

# Said by the build, in hf_sagemaker/runtime/mirror.
_MIRRORED = re.compile(r"^hfsm\.mirrored((?: \w+=\S+)+)$")
_PROBLEM = re.compile(r"^(?:REFUSED|FAILED|Nothing was brought:) ")
_VARIABLE = "MODELS"


def mirror(names: Sequence[str], parameters: Parameters, console: Console) -> None:
    """Bring models and print where each lies. names: empty means all that the settings name.

    Raises WrongUseError when the settings name no model, and OperatorError when one was not brought.
    """
    project = parameters.find("hub/project")
    if project is None:
        raise WrongUseError(
            f"{parameters.environment} has no mirror. Name models under hub.models in "
            f"environments/{parameters.environment}.yaml, and deploy."
        )
    build = CodeBuild.start(parameters.cloud, project, {_VARIABLE: " ".join(names)} if names else None)
    brought: list[dict[str, str]] = []
    problems: list[str] = []
    with Progress(console, f"Mirroring models for {parameters.environment}") as progress:
        has_ended = False
        while not has_ended:
            # What it said last arrives after it has ended.
            has_ended = build.has_ended
            time.sleep(parameters.cloud.poll_seconds)
            for line in build.look():
                progress.show(line, "log")
                if match := _MIRRORED.match(line):
                    brought.append(dict(pair.split("=", 1) for pair in match[1].split()))
                elif _PROBLEM.match(line):
                    problems.append(line)
    for model in brought:
        _say(console, _sentence(model))
    if not build.has_succeeded:
        raise OperatorError("\n".join(problems) or f"The mirror's build {build.failure}")
    if build.seconds is not None:
        _say(console, f"Done in {seconds_text(build.seconds)}.")


def show(parameters: Parameters, console: Console) -> None:
    """Print every model that is there whole."""
    models = mirrored_models(parameters)
    if not models:
        _say(console, f"The mirror of {parameters.environment} has no model yet. `hfsm mirror` brings them.")
        return
    table = Table(title=f"Models of the Hub in {parameters.environment}", title_justify="left")
    for column in ("model", "commit", "since", "where"):
        table.add_column(column, overflow="fold")
    for model in models:
        table.add_row(model.id, model.commit, f"{model.since:%Y-%m-%d %H:%M}", model.uri)
    console.print(table)


def _sentence(model: dict[str, str]) -> str:
    count = int(model["brought"])
    what = f"{count} of {model['files']} files brought" if count else "was there already"
    return f"{model['model']}@{model['commit']}: {what}, {model['megabytes']} MB, {model['uri']}"


def _say(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)
