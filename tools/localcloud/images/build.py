"""Builds an image from a Dockerfile and its context, layer by layer, doing only what was not done before."""

import hashlib
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from localcloud.images import deep_learning_containers
from localcloud.images.dockerfile import DockerfileError, Instruction, parse, substitute
from localcloud.images.mounts import mounted, split_mounts
from localcloud.images.paths import Paths
from localcloud.images.store import Image, ImageConfig, ImageStore, UnknownImageError, key_of
from localcloud.images.trees import link_tree, link_venv

_SHELL = {"&&", "||", "|", ";", ">", ">>", "<", "&"}


@dataclass(frozen=True, kw_only=True)
class ImageBuild:
    """One `docker build`.

    context: folder that COPY reads. dockerfile: its path, inside the context or not.
    build_args: values for ARG; one that no ARG declares is an error, as in Docker.
    secrets: files by their ids, for RUN --mount=type=secret; they are in no layer, and no layer's key.
    report: gets every line of output.
    authorize: called with the name of the base image before it is used; raises where a registry would refuse.
    """

    store: ImageStore
    requirements_dir: Path
    context: Path
    dockerfile: Path
    build_args: dict[str, str]
    secrets: Mapping[str, Path] = field(default_factory=dict)
    report: Callable[[str], None] = print
    authorize: Callable[[str], None] = lambda reference: None

    def run(self) -> Image:
        """The image. DockerfileError: line and reason; InstallationError: pip's words are in the report."""
        if not self.dockerfile.is_file():
            raise DockerfileError(f"there is no Dockerfile {self.dockerfile}")
        if (self.context / ".dockerignore").exists():
            raise DockerfileError("the context has a .dockerignore, which is not supported: leave the files out of it")
        instructions = parse(self.dockerfile.read_text())
        declared = {i.text.partition("=")[0] for i in instructions if i.name == "ARG"}
        if unknown := sorted(set(self.build_args) - declared):
            raise DockerfileError(f"no ARG declares the build argument(s) {', '.join(unknown)}")
        stage = _Stage(self)
        for number, instruction in enumerate(instructions, start=1):
            self.report(f"#{number} [{number}/{len(instructions)}] {instruction}")
            if stage.execute(instruction):
                self.report(f"#{number} CACHED")
        assert stage.config is not None  # parse() has seen a FROM
        return self.store.add(stage.config)


class _Stage:
    """The state between two instructions. ARGs before FROM are visible in FROM only, as in Docker."""

    def __init__(self, build: ImageBuild) -> None:
        self.build = build
        self.args: dict[str, str] = {}
        self.global_args: dict[str, str] = {}
        self.config: ImageConfig | None = None

    def execute(self, instruction: Instruction) -> bool:
        """True where a layer was there already."""
        if instruction.name == "ARG":
            return self._arg(instruction)
        if instruction.name == "FROM":
            return self._from(instruction)
        config = self._config
        text = substitute(instruction.text, self._variables)
        match instruction.name:
            case "COPY":
                return self._copy(instruction, text)
            case "RUN":
                return self._run(instruction, text)
            case "ENV":
                self.config = replace(config, env={**config.env, **_pairs(instruction, text)})
            case "LABEL":
                self.config = replace(config, labels={**config.labels, **_pairs(instruction, text)})
            case "WORKDIR":
                self.config = replace(config, workdir=str(PurePosixPath(config.workdir) / text))
            case "USER":
                self.config = replace(config, user=text)
            case "EXPOSE":
                self.config = replace(config, exposed=(*config.exposed, *text.split()))
            case "ENTRYPOINT":  # Docker forgets the base's CMD with it
                self.config = replace(config, entrypoint=tuple(instruction.exec_form()), cmd=())
            case "CMD":
                self.config = replace(config, cmd=tuple(instruction.exec_form()))
        return False

    @property
    def _config(self) -> ImageConfig:
        assert self.config is not None
        return self.config

    @property
    def _variables(self) -> dict[str, str]:
        return {**self.args, **(self.config.env if self.config else {})}

    def _arg(self, instruction: Instruction) -> bool:
        name, equals, default = instruction.text.partition("=")
        if name in self.build.build_args:
            self.args[name] = self.build.build_args[name]
        elif equals:
            self.args[name] = substitute(_unquoted(default), self._variables)
        elif name in self.global_args:
            self.args[name] = self.global_args[name]
        return False

    def _from(self, instruction: Instruction) -> bool:
        reference = substitute(instruction.text, self.args)
        words = reference.split()
        if len(words) != 1:
            raise instruction.error(f"one image and nothing else is supported, not {reference!r}")
        kind = deep_learning_containers.kind_of(reference)
        if kind is None and (built := self._built_here(reference)):
            self.global_args, self.args = self.args, {}
            self.config = built
            return True
        if kind is None:
            raise instruction.error(
                f"the image {reference!r} is not known here; what is: "
                "<account>.dkr.ecr.<region>.amazonaws.com/huggingface-pytorch-training:<tag>, "
                "AWS's other Hugging Face images, what was built here under a name without a registry, and what was "
                "pushed here, by its digest"
            )
        self.build.authorize(reference)
        self.global_args, self.args = self.args, {}
        self.config = deep_learning_containers.base(
            kind, self.build.store, self.build.requirements_dir, self.build.report
        )
        if "@" in reference:
            # All digests of a base have one stand-in: the label keeps images on different ones apart, as layers do.
            labels = {"org.opencontainers.image.base.digest": reference.partition("@")[2]}
            self.config = replace(self.config, labels={**self.config.labels, **labels})
        return False

    def _built_here(self, reference: str) -> ImageConfig | None:
        """An image that an earlier build tagged, or pushed and that is named by its digest: its layers are here."""
        name, _, digest = reference.partition("@")
        if "/" in reference and not digest:
            return None
        try:
            if not digest:
                return self.build.store.tagged(name).config
            self.build.authorize(reference)
            return self.build.store.image(digest).config
        except UnknownImageError:
            return None

    def _copy(self, instruction: Instruction, text: str) -> bool:
        words = shlex.split(text)
        if flags := [word for word in words if word.startswith("--")]:
            raise instruction.error(f"{flags[0]} is not supported")
        if len(words) < 2:
            raise instruction.error("needs a source and a destination")
        files = self._copied_files(instruction, words[:-1], words[-1])
        config = self._config
        key = key_of("COPY", config.rootfs or "", *(f"{path}\0{_content(source)}" for path, source in files))

        def make(folder: Path) -> None:
            if config.rootfs:
                link_tree(self.build.store.folder(config.rootfs) / "rootfs", folder / "rootfs")
            for path, source in files:
                target = folder / "rootfs" / path.relative_to("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.unlink(missing_ok=True)  # it may be shared with the layer below
                shutil.copy2(source, target)

        cached = self.build.store.layer(key, make, self.build.report)
        self.config = replace(config, rootfs=key, layers=(*config.layers, key))
        return cached

    def _copied_files(
        self, instruction: Instruction, sources: Sequence[str], destination: str
    ) -> list[tuple[PurePosixPath, Path]]:
        """(path in the container, file of the context), sorted."""
        base = PurePosixPath(self._config.workdir) / destination
        found: list[tuple[PurePosixPath, Path]] = []
        for source in sources:
            pattern = source.lstrip("/").rstrip("/")
            if ".." in PurePosixPath(pattern).parts:
                raise instruction.error(f"{source} leaves the build context")
            matches = [self.build.context] if pattern in ("", ".") else sorted(self.build.context.glob(pattern))
            if not matches:
                raise instruction.error(f"there is no {source} in the build context")
            into = destination.endswith("/") or len(sources) > 1 or len(matches) > 1
            for match in matches:
                if match.is_dir():
                    files = [path for path in match.rglob("*") if path.is_file()]
                    found += [(base / path.relative_to(match).as_posix(), path) for path in files]
                else:
                    found.append((base / match.name if into else base, match))
        return sorted(found)

    def _run(self, instruction: Instruction, text: str) -> bool:
        mounts, command_text = split_mounts(instruction, text)
        secrets = mounted(instruction, mounts, self.build.secrets)
        arguments = _python_arguments(instruction, command_text)
        config, variables = self._config, self._variables
        assert config.venv is not None
        key = key_of("RUN", config.venv, config.rootfs or "", config.workdir, repr(sorted(variables.items())), text)
        below = self.build.store.folder(config.venv) / "venv"

        def make(folder: Path) -> None:
            venv = folder / "venv"
            link_venv(below, venv)
            rootfs = self.build.store.folder(config.rootfs) / "rootfs" if config.rootfs else folder / "rootfs"
            paths = Paths(venv=venv, rootfs=rootfs)
            command = [str(venv / "bin/python"), *map(paths.outside, arguments)]
            environment = {name: secrets.get(value) or paths.outside(value) for name, value in variables.items()}
            workdir = rootfs / config.workdir.lstrip("/")
            deep_learning_containers.run(
                command,
                self.build.report,
                environment,
                cwd=workdir if workdir.is_dir() else folder,
                own_pip=environment.get("PIP_CONFIG_FILE") in secrets.values(),
            )

        cached = self.build.store.layer(key, make, self.build.report)
        self.config = replace(config, venv=key, layers=(*config.layers, key))
        return cached


def _python_arguments(instruction: Instruction, text: str) -> list[str]:
    """The arguments for the image's Python that do what the command does."""
    words = shlex.split(text)
    if words[:1] == ["apt-get"]:
        raise instruction.error(
            f"Debian packages cannot be installed here, where a container is a process of this machine: {text}"
        )
    if shell := sorted(_SHELL.intersection(words) | {word for word in words if word.endswith(";")}):
        raise instruction.error(f"only one command is supported, no shell syntax like {shell[0]!r}")
    for start in (["pip", "install"], ["pip3", "install"], ["python", "-m", "pip", "install"]):
        if words[: len(start)] == start:
            return ["-m", "pip", "install", *words[len(start) :]]
    if words[0] in ("python", "python3") and len(words) > 1 and words[1].startswith("/"):
        return words[1:]
    raise instruction.error(f"only `pip install ...` and `python /...` can be run here, not: {text}")


def _pairs(instruction: Instruction, text: str) -> dict[str, str]:
    pairs = [word.partition("=") for word in shlex.split(text)]
    if not all(equals for _, equals, _ in pairs):
        raise instruction.error(f"only name=value is supported, not: {text}")
    return {name: value for name, _, value in pairs}


def _unquoted(text: str) -> str:
    return "".join(shlex.split(text))


def _content(path: Path) -> str:
    """Hash of what a layer keeps of a file: its bytes and whether it can be executed, never its date."""
    executable = "x" if path.stat().st_mode & 0o111 else "-"
    return executable + hashlib.sha256(path.read_bytes()).hexdigest()
