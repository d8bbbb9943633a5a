"""`RUN --mount=type=secret,…`: what a build is given for one instruction, and what no layer holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localcloud.images.dockerfile import Instruction

_PREFIX = "--mount="
_TARGETS = ("target", "dst", "destination")
_KNOWN = {"type", "id", "required", *_TARGETS}


@dataclass(frozen=True)
class SecretMount:
    """A secret, and where an instruction sees it. required: the instruction fails without it."""

    id: str
    target: str
    required: bool


def split_mounts(instruction: Instruction, text: str) -> tuple[list[SecretMount], str]:
    """The mounts of a RUN, and its command. DockerfileError: a mount of another kind."""
    mounts = []
    while text.startswith("--"):
        word, _, text = text.partition(" ")
        text = text.lstrip()
        if not word.startswith(_PREFIX):
            raise instruction.error(f"{word.partition('=')[0]} is not supported; what is: --mount=type=secret")
        parts = dict(part.partition("=")[::2] for part in word.removeprefix(_PREFIX).split(","))
        if parts.get("type") != "secret" or not parts.get("id") or (unknown := sorted(set(parts) - _KNOWN)):
            what = f"a mount with {', '.join(unknown)}" if parts.get("type") == "secret" and parts.get("id") else word
            raise instruction.error(f"{what} is not supported; what is: --mount=type=secret,id=…,target=…,required=…")
        target = next((parts[name] for name in _TARGETS if name in parts), f"/run/secrets/{parts['id']}")
        mounts.append(SecretMount(parts["id"], target, parts.get("required", "false") in ("", "true", "1")))
    return mounts, text


def mounted(instruction: Instruction, mounts: list[SecretMount], secrets: Mapping[str, Path]) -> dict[str, str]:
    """Path in the container → the secret's file on this machine. DockerfileError: a required one is not given."""
    for mount in mounts:
        if mount.required and mount.id not in secrets:
            raise instruction.error(f"secret {mount.id}: not found")
    return {mount.target: str(secrets[mount.id]) for mount in mounts if mount.id in secrets}
