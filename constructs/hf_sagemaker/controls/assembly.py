"""Reads what a synth wrote: the templates of each environment, and the acknowledgements that its constructs made."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_sagemaker.controls.templates import Templates


@dataclass(frozen=True)
class Acknowledgement:
    """A rule that a construct accepts for itself and what is below it.

    path: of the construct. rule: namespaced id, for example `HfSageMaker::Control-42`. reason: what a reviewer reads.
    """

    path: str
    rule: str
    reason: str


def environments(assembly: Path) -> dict[str, Templates]:
    """The templates by environment, in the order of the app.

    assembly: folder that the app was synthesised to. An environment is a stage; its name begins the construct paths
        of its stacks.

    Each resource has its construct path under `Metadata`, where the CDK writes it only when its CLI asks it to.
    """
    found: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    for folder, artifact in _stacks(assembly):
        template = json.loads((folder / artifact["properties"]["templateFile"]).read_text(encoding="utf-8"))
        for path, entries in _metadata(folder, artifact).items():
            for entry in entries:
                if entry["type"] == "aws:cdk:logicalId" and entry["data"] in template.get("Resources", {}):
                    body = template["Resources"][entry["data"]]
                    body["Metadata"] = {"aws:cdk:path": path.removeprefix("/")} | body.get("Metadata", {})
        found.setdefault(artifact["displayName"].split("/")[0], []).append((artifact, template))
    return {name: _templates(name, stacks) for name, stacks in found.items()}


def template_files(assembly: Path) -> dict[str, Path]:
    """Where the template of each stack is, by the stack's name."""
    return {
        artifact["properties"]["stackName"]: folder / artifact["properties"]["templateFile"]
        for folder, artifact in _stacks(assembly)
    }


def _templates(name: str, stacks: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> Templates:
    # aws://<account>/<region>
    account, region = stacks[0][0]["environment"].removeprefix("aws://").split("/")
    return Templates(
        name,
        account=account,
        region=region,
        stacks={artifact["properties"]["stackName"]: template for artifact, template in stacks},
        protected=[
            artifact["properties"]["stackName"]
            for artifact, _ in stacks
            if artifact["properties"].get("terminationProtection")
        ],
    )


def acknowledgements(assembly: Path) -> list[Acknowledgement]:
    """Every acknowledgement made in a stack, in the order of the stacks."""
    return [
        Acknowledgement(path.removeprefix("/"), rule, reason)
        for folder, artifact in _stacks(assembly)
        for path, entries in _metadata(folder, artifact).items()
        for entry in entries
        if entry["type"] == "aws:cdk:acknowledged-rules"
        for rule, reason in entry["data"].items()
    ]


def _metadata(folder: Path, artifact: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    file = artifact.get("additionalMetadataFile")
    content: dict[str, list[dict[str, Any]]] = dict(artifact.get("metadata", {}))
    return content | json.loads((folder / file).read_text(encoding="utf-8")) if file else content


def _stacks(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Folder and manifest entry of each stack, stages in the order of the app."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for artifact in manifest.get("artifacts", {}).values():
        if artifact["type"] == "cdk:cloud-assembly":
            yield from _stacks(folder / artifact["properties"]["directoryName"])
        elif artifact["type"] == "aws:cloudformation:stack":
            yield folder, artifact
