"""The model's folder: SageMaker's, a local one that HF_MODEL_ID names, or a hub's model that is fetched first."""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from model_files import ModelLoadError
from request_errors import one_line
from server_settings import ServerSettings

_FILES = ("*.json", "*.txt", "*.model", "*.spm", "*.tiktoken", "*.jinja", "*.safetensors")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_CODE = ("*.py",)
_OWN_CODE = "code/*"  # with the names of packages that would be installed


def model_folder(settings: ServerSettings) -> Path:
    """Where the model's files lie. A hub's model is fetched once for all workers, to a scratch folder.

    ModelLoadError: the hub does not give it out; one line, without the token.
    """
    if settings.hub_model is None:
        return settings.model_folder
    local = Path(settings.hub_model)
    if local.is_dir():
        return local
    if local.is_absolute():
        raise ModelLoadError(f"HF_MODEL_ID is {settings.hub_model}: there is no such folder")
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise ModelLoadError(
            f"HF_MODEL_ID is {settings.hub_model}, but HF_HUB_OFFLINE forbids to fetch it: put the model into S3, or "
            "set HF_HUB_OFFLINE=0 where the endpoint's network reaches the hub"
        )
    name = hashlib.sha256(f"{settings.hub_model}@{settings.hub_revision}".encode()).hexdigest()[:16]
    scratch = Path(tempfile.gettempdir()) / f"hf-sagemaker-model-{os.getppid()}-{name}"
    scratch.mkdir(mode=0o700, exist_ok=True)
    whole = scratch / "model"
    with (scratch / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other workers wait for the first
        if not whole.is_dir():
            # Not beside anything: huggingface_hub takes a folder with files for the model when the hub refuses it.
            with tempfile.TemporaryDirectory(dir=scratch) as parts:
                _fetch(settings, Path(parts) / "model")
                (Path(parts) / "model").rename(whole)
    return whole


def _fetch(settings: ServerSettings, folder: Path) -> None:
    patterns = [*_FILES, *(_PICKLES if settings.allow_pickle else ()), *(_CODE if settings.trust_remote_code else ())]
    wanted = {
        "repo_id": settings.hub_model,
        "revision": settings.hub_revision,
        "local_dir": str(folder),
        "allow_patterns": patterns,
        "ignore_patterns": None if settings.trust_remote_code else [_OWN_CODE],
        "token": _token(settings),
    }
    # In a process of its own: huggingface_hub decides on its import whether it may use the network, and what loads
    # the model must not.
    done = subprocess.run(
        [sys.executable, __file__],
        input=json.dumps(wanted),  # no argument: other processes see these
        stdout=subprocess.PIPE,
        text=True,
        env={"HF_HOME": str(folder.parent / "home"), **os.environ},
        check=False,
    )
    if done.returncode != 0:
        reason = (done.stdout.strip().splitlines() or ["the download ended without a reason"])[-1]
        raise ModelLoadError(reason)


def _token(settings: ServerSettings) -> str | bool:
    """False: none, not even one that a login has left on the disk."""
    if settings.token_secret_arn is None:
        return settings.hub_token or False
    import boto3

    region = settings.token_secret_arn.split(":")[3]
    try:
        client = boto3.client("secretsmanager", region_name=region)
        text = client.get_secret_value(SecretId=settings.token_secret_arn)["SecretString"].strip()
    except Exception as error:  # botocore's are many
        raise ModelLoadError(f"the secret of HF_TOKEN_SECRET_ARN cannot be read: {one_line(error)}") from error
    if not text.startswith("{"):
        return text
    try:
        values = list(json.loads(text).values())
    except ValueError:
        values = []
    if len(values) != 1 or not isinstance(values[0], str):
        raise ModelLoadError("the secret of HF_TOKEN_SECRET_ARN is neither a token nor a JSON object with one text")
    return values[0].strip()


def _download() -> None:
    """The process that fetches: its last line of output is the reason when it fails."""
    wanted = json.loads(sys.stdin.read())
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(**wanted)
    except Exception as error:
        print(_reason(error, wanted["repo_id"], wanted["revision"], wanted["token"]))
        raise SystemExit(1) from None


def _reason(error: Exception, model: str, revision: str | None, token: str | bool) -> str:
    what = f"HF_MODEL_ID {model}" + (f" at revision {revision}" if revision else "")
    name = type(error).__name__
    status = getattr(getattr(error, "response", None), "status_code", None)
    given = "the token may not read it" if token else "no token is set (HF_TOKEN_SECRET_ARN)"
    if name == "GatedRepoError":
        return f"{what} is gated, and {given}: accept its terms on the hub, and give this account's token"
    if name == "RevisionNotFoundError":
        return f"{what}: the model has no such revision"
    if name == "RepositoryNotFoundError" or status in (401, 403, 404):
        return f"{what} is not on the hub, or it is private and {given} (HTTP {status})"
    text = one_line(error)
    if isinstance(token, str) and token:
        text = text.replace(token, "***")
    return f"{what} cannot be fetched: {text}; does the endpoint's network reach the hub?"


if __name__ == "__main__":
    _download()
