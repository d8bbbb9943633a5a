"""The `docker` that builds find on their PATH: the few commands that a build of ours needs.

`docker login`, `docker build`, `docker run` and `docker push`, against the image store and the embedded ECR. Whatever
else a build asks for is an error that names it.
"""

import json
import os
import re
import shutil
import sys
import tempfile
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

from localcloud.images import deep_learning_containers
from localcloud.images.build import ImageBuild
from localcloud.images.container import Container
from localcloud.images.deep_learning_containers import InstallationError
from localcloud.images.dockerfile import DockerfileError
from localcloud.images.store import Image, ImageStore, UnknownImageError, manifest_of

STORE_VARIABLE = "LOCALCLOUD_IMAGE_STORE"
REQUIREMENTS_VARIABLE = "LOCALCLOUD_REQUIREMENTS"

_VALUED = ("--entrypoint", "--volume")
_DOCKERS_OWN_ERROR = 125
_LONGEST_RUN_SECONDS = 1800.0
_ECR = re.compile(r"^(?P<registry>\d{12}\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?)/(?P<rest>.+)$")


class DockerError(Exception):
    """What docker would say before it exits with 1."""


def main(arguments: list[str]) -> int:
    commands: dict[str, Callable[[list[str]], int | None]] = {
        "login": _login,
        "build": _build,
        "run": _run,
        "push": _push,
    }
    try:
        if not arguments or arguments[0] not in commands:
            what = arguments[0] if arguments else "without a command"
            raise DockerError(f"docker {what}: not supported here; what is: {', '.join(commands)}")
        return commands[arguments[0]](arguments[1:]) or 0
    except (DockerError, DockerfileError, InstallationError, UnknownImageError) as error:
        print(f"ERROR: {error}", file=sys.stderr, flush=True)
        return _DOCKERS_OWN_ERROR if arguments[:1] == ["run"] else 1


def _login(arguments: list[str]) -> None:
    options, (registry,) = _options("login", arguments, {"--username": 1, "-u": 1, "--password-stdin": 0}, positional=1)
    user = (options.get("--username") or options.get("-u") or [""])[0]
    if "--password-stdin" not in options or not user:
        raise DockerError("docker login: needs --username and --password-stdin")
    password = sys.stdin.read().strip()
    if not password:
        raise DockerError("docker login: no password on standard input")
    path = _docker_config()
    config = json.loads(path.read_text()) if path.is_file() else {"auths": {}}
    config["auths"][registry] = {"auth": b64encode(f"{user}:{password}".encode()).decode()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config))
    print("Login Succeeded")


def _build(arguments: list[str]) -> None:
    known = {"--file": 1, "-f": 1, "--tag": 1, "-t": 1, "--build-arg": 1, "--secret": 1}
    options, (context,) = _options("build", arguments, known, positional=1)
    tags = options.get("--tag", []) + options.get("-t", [])
    files = options.get("--file", []) + options.get("-f", [])
    build_args = {}
    for argument in options.get("--build-arg", []):
        name, equals, value = argument.partition("=")
        build_args[name] = value if equals else os.environ.get(name, "")
    store = ImageStore(_required_folder(STORE_VARIABLE))
    build = ImageBuild(
        store=store,
        requirements_dir=_required_folder(REQUIREMENTS_VARIABLE),
        context=Path(context),
        dockerfile=Path(files[-1]) if files else Path(context, "Dockerfile"),
        build_args=build_args,
        secrets=dict(_secret(given) for given in options.get("--secret", [])),
        report=lambda line: print(line, flush=True),
        authorize=_require_login,
    )
    image = build.run()
    print(f"writing image {image.digest}")
    for tag in tags:
        store.tag(tag, image)
        print(f"naming to {tag}")


def _secret(given: str) -> tuple[str, Path]:
    """(id, file) of `id=…,src=…`."""
    parts = dict(part.partition("=")[::2] for part in given.split(","))
    source = Path(parts.pop("src", "") or parts.pop("source", "") or ".")
    identity = parts.pop("id", "")
    if parts.pop("type", "file") != "file" or parts or not identity:
        raise DockerError(f"docker build --secret {given}: not supported here; what is: id=…,src=…")
    if not source.is_file():
        raise DockerError(f"failed to stat {source}: no such file or directory")
    return identity, source.resolve()


def _run(arguments: list[str]) -> int:
    """In the foreground, and gone afterwards; its exit code."""
    # The options end where the image is named; what follows is the container's.
    rest, given = list(arguments), list[str]()
    while rest and rest[0].startswith("-"):
        given.append(rest.pop(0))
        if given[-1] in _VALUED and rest:
            given.append(rest.pop(0))
    options, _ = _options("run", given, {"--rm": 0, **dict.fromkeys(_VALUED, 1)}, positional=0)
    if "--rm" not in options or not rest:
        raise DockerError("docker run: needs --rm and an image; nothing stays behind here")
    image, command = _local_image(rest[0]), rest[1:]
    folder = Path(tempfile.mkdtemp(prefix="localcloud-run-"))
    container = Container(image, folder / "container")
    try:
        container.create()
        for volume in options.get("--volume", []):
            _mount(container, *volume.split(":")[:2])
        values = {"SAGEMAKER_BASE_DIR": str(container.opt_ml)}
        entrypoint = options.get("--entrypoint")
        container.start(
            command or image.config.cmd, values, lambda line: print(line, flush=True), entrypoint=entrypoint
        )
        code = container.wait(_LONGEST_RUN_SECONDS)
    finally:
        container.remove()
        shutil.rmtree(folder, ignore_errors=True)
    if code is None:
        raise DockerError(f"docker run: still running after {_LONGEST_RUN_SECONDS} s")
    return code


def _local_image(name: str) -> Image:
    store = ImageStore(_required_folder(STORE_VARIABLE))
    if kind := deep_learning_containers.kind_of(name):
        _require_login(name)
        requirements = _required_folder(REQUIREMENTS_VARIABLE)
        return store.add(deep_learning_containers.base(kind, store, requirements, lambda line: None))
    return store.image(name.partition("@")[2]) if "@" in name else store.tagged(name)


def _mount(container: Container, outside: str, inside: str) -> None:
    """Nothing can be mounted: the container gets a link."""
    link = container.paths.rootfs / inside.lstrip("/")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(Path(outside).resolve())


def _push(arguments: list[str]) -> None:
    _, (name,) = _options("push", arguments, {}, positional=1)
    # Imported late: a build runs many commands, and only this one needs what takes a fifth of a second to load.
    import boto3
    from botocore.exceptions import ClientError

    image = ImageStore(_required_folder(STORE_VARIABLE)).tagged(name)
    if not (match := _ECR.match(name)):
        raise DockerError(f"docker push: {name} is not the name of an ECR repository")
    _require_login(name)
    repository, _, tag = match["rest"].partition(":")
    tag = tag or "latest"
    print(f"The push refers to repository [{match['registry']}/{repository}]")
    ecr = boto3.client("ecr", region_name=match["region"])
    try:
        there = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": tag}])["images"]
        if not any(entry["imageId"]["imageDigest"] == image.digest for entry in there):
            ecr.put_image(
                repositoryName=repository,
                imageTag=tag,
                imageManifest=manifest_of(image.config),
                imageDigest=image.digest,
            )
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ImageAlreadyExistsException", "ImageTagAlreadyExistsException"):
            raise DockerError(
                f"tag invalid: The image tag '{tag}' already exists in the '{repository}' repository and cannot be "
                "overwritten because the repository is immutable."
            ) from None
        raise DockerError(f"denied: {error.response['Error']['Message']}") from None
    print(f"{tag}: digest: {image.digest} size: {len(manifest_of(image.config))}")


def _require_login(reference: str) -> None:
    """Private registries let nobody in who has not logged in; ours checks it, so that a forgotten login shows."""
    match = _ECR.match(reference)
    path = _docker_config()
    auths = json.loads(path.read_text())["auths"] if path.is_file() else {}
    if match and match["registry"] not in auths:
        raise DockerError(f"{reference}: no basic auth credentials: `docker login {match['registry']}` comes first")


def _docker_config() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"


def _required_folder(variable: str) -> Path:
    if not (value := os.environ.get(variable)):
        raise DockerError(f"{variable} is not set: this docker works inside a build of the embedded CodeBuild only")
    return Path(value)


def _options(
    command: str, arguments: list[str], known: dict[str, int], *, positional: int
) -> tuple[dict[str, list[str]], list[str]]:
    """Splits options from operands. known: 1 where an option takes a value."""
    options: dict[str, list[str]] = {}
    operands = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            operands.append(word)
            continue
        name, equals, value = word.partition("=")
        if name not in known:
            raise DockerError(f"docker {command} {name}: not supported here; what is: {', '.join(known) or 'nothing'}")
        if known[name] and not equals:
            if not rest:
                raise DockerError(f"docker {command} {name}: needs a value")
            value = rest.pop(0)
        options.setdefault(name, []).append(value)
    if len(operands) != positional:
        raise DockerError(f"docker {command}: needs {positional} operand(s), got {len(operands)}: {operands}")
    return options, operands
