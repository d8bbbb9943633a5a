"""What the build of Git code runs: one commit of a repository becomes a source archive in the models bucket.

Standard library, git and the AWS CLI only: what a build machine has. It leaves two files, of which one is empty:
`commit`, and `problem`, a sentence for whoever asked.

Environment: CODE_REPOSITORY, and ALLOWED_REPOSITORIES, patterns with spaces between.
CODE_BRANCH, CODE_COMMIT: empty where the request does not say; both: the commit must be on the branch.
CODE_FOLDER: of the repository; empty: all of it. CODE_ENTRY_POINT: a file in it.
MODELS_BUCKET, CODE_ARCHIVE: where the archive goes, with {commit} in the key.
GIT_SECRET_ARN: the secret with the token, or `user:token`; absent: public repositories only.
"""

import base64
import gzip
import io
import os
import re
import subprocess
import sys
import tarfile
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import urlsplit

_CLONE = Path("clone")
_LARGEST = 1024**3
_LFS = "^version https://git-lfs.github.com/spec/"


class RefusedError(Exception):
    """The code cannot be brought; the text is for whoever asked for it."""


def main() -> int:
    """Returns 0, also where the code is refused: then `problem` says why. 1 where AWS does not answer."""
    commit = problem = ""
    try:
        commit = _bring()
    except RefusedError as refused:
        problem = str(refused)
        print(f"REFUSED {problem}")
    except subprocess.CalledProcessError as error:
        print(f"FAILED {error.cmd[:3]}: {error.stderr}")
        return 1
    Path("commit").write_text(commit, encoding="utf-8")
    Path("problem").write_text(problem, encoding="utf-8")
    return 0


def _bring() -> str:
    """Returns the commit, whose archive is there then."""
    repository, branch, wanted = (os.environ.get(f"CODE_{name}", "") for name in ("REPOSITORY", "BRANCH", "COMMIT"))
    if not any(fnmatchcase(repository, pattern) for pattern in os.environ["ALLOWED_REPOSITORIES"].split()):
        raise RefusedError("This environment does not allow that repository.")
    _add_token(repository)
    commit = wanted or _newest(repository, branch)
    key = os.environ["CODE_ARCHIVE"].replace("{commit}", commit)
    # Of a commit alone nobody knows whether it is on the branch.
    if not (wanted and branch) and _is_there(key):
        print(f"{commit} is there already")
        return commit
    _fetch(repository, branch, commit)
    archive = _archive(commit, os.environ.get("CODE_FOLDER", "").strip("/"))
    _put(key, archive)
    print(f"{commit} is at s3://{os.environ['MODELS_BUCKET']}/{key}")
    return commit


def _add_token(repository: str) -> None:
    """For this server only, in git's environment: no argument, file or log has it."""
    settings = {"http.followRedirects": "false", "protocol.allow": "never"}
    url = urlsplit(repository)
    settings[f"protocol.{url.scheme}.allow"] = "always"
    if secret := os.environ.get("GIT_SECRET_ARN"):
        query = ("--query", "SecretString", "--output", "text")
        token = _aws("secretsmanager", "get-secret-value", "--secret-id", secret, *query).strip()
        pair = token if ":" in token else f"x-access-token:{token}"
        header = f"Authorization: Basic {base64.b64encode(pair.encode()).decode()}"
        settings[f"http.{url.scheme}://{url.netloc}/.extraHeader"] = header
    os.environ["GIT_CONFIG_COUNT"] = str(len(settings))
    for i, (name, value) in enumerate(settings.items()):
        os.environ[f"GIT_CONFIG_KEY_{i}"], os.environ[f"GIT_CONFIG_VALUE_{i}"] = name, value
    os.environ |= {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}


def _newest(repository: str, branch: str) -> str:
    """The commit that a branch or tag is now; without one, the repository's default branch."""
    names = [f"refs/heads/{branch}", f"refs/tags/{branch}^{{}}", f"refs/tags/{branch}"] if branch else ["HEAD"]
    listed = dict(line.split("\t")[::-1] for line in _ask("ls-remote", repository, *names).splitlines())
    for name in names:
        if name in listed:
            return listed[name]
    raise RefusedError(f"{repository} has no branch or tag {branch!r}." if branch else f"{repository} is empty.")


def _ask(*arguments: str) -> str:
    """What git answers. RefusedError: the server does not give it."""
    done = _git(*arguments)
    if done.returncode:
        raise RefusedError(
            f"Git could not read {os.environ['CODE_REPOSITORY']}: {_last_line(done.stderr)} Is the address right, and "
            "may the token of the environment's settings (training.git) read it?"
        )
    return done.stdout


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".") + "." if lines else ""


def _fetch(repository: str, branch: str, commit: str) -> None:
    """Brings the commit, alone or with its branch's history."""
    _git("init", "--quiet", "--bare", str(_CLONE))
    alone = not os.environ.get("CODE_COMMIT") or not branch
    # Not every server gives a commit by its number.
    if not alone or _git("fetch", "--quiet", "--depth=1", repository, commit, inside=True).returncode:
        names = [f"refs/heads/{branch}", f"refs/tags/{branch}"] if branch else ["refs/heads/*", "refs/tags/*"]
        listed = _ask("ls-remote", repository, *names)
        names = [line.split("\t")[1] for line in listed.splitlines() if not line.endswith("^{}")]
        if not names:
            raise RefusedError(f"{repository} has no branch or tag {branch!r}.")
        _ask(
            "--git-dir",
            str(_CLONE),
            "fetch",
            "--quiet",
            "--no-tags",
            repository,
            *(f"+{name}:{name}" for name in names),
        )
    # Of a branch nothing else was brought: what is there is on it.
    if _git("cat-file", "-e", f"{commit}^{{commit}}", inside=True).returncode:
        raise RefusedError(f"{repository} has no commit {commit}{f' on {branch}' if branch else ''}.")


def _archive(commit: str, folder: str) -> bytes:
    """A gzipped tar of the folder's files, the same bytes for the same commit."""
    tree = f"{commit}:{folder}"
    if _git("cat-file", "-t", tree, inside=True).stdout.strip() != "tree":
        raise RefusedError(f"The commit {commit} has no folder {folder!r}.")
    listed = _git("ls-tree", "-r", "-z", tree, inside=True).stdout.split("\0")
    entries = [re.split(r"[ \t]", line, maxsplit=3) for line in listed if line]
    if modules := [path for mode, _, _, path in entries if mode == "160000"]:
        raise RefusedError(f"{modules[0]} is a submodule, which is not brought: put its files into the repository.")
    pointers = _git("grep", "-l", "-I", "-e", _LFS, tree, inside=True).stdout.splitlines()
    if pointers:
        raise RefusedError(
            f"{pointers[0].removeprefix(tree).lstrip(':/')} is in Git LFS, which is not brought: put it in S3."
        )
    entry_point = os.environ.get("CODE_ENTRY_POINT", "")
    if entry_point not in [path for _, _, _, path in entries]:
        raise RefusedError(
            f"entry_point {entry_point!r} is no file of {folder or 'the repository'} at the commit {commit}."
        )
    packed = subprocess.run(
        ["git", "--git-dir", str(_CLONE), "archive", "--format=tar", tree], capture_output=True, check=True
    ).stdout
    if len(packed) > _LARGEST:
        raise RefusedError(f"The code has {len(packed)} bytes, and 1 GiB is the most. Put data into a channel.")
    return _reproducible(packed)


def _reproducible(packed: bytes) -> bytes:
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", filename="", mtime=0) as compressed,
        tarfile.open(fileobj=io.BytesIO(packed)) as given,
        tarfile.open(fileobj=compressed, mode="w") as made,
    ):
        for member in given:
            member.mtime = 0
            member.pax_headers = {}
            made.addfile(member, given.extractfile(member) if member.isfile() else None)
    return buffer.getvalue()


def _is_there(key: str) -> bool:
    command = ["aws", "s3api", "head-object", "--bucket", os.environ["MODELS_BUCKET"], "--key", key]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _put(key: str, archive: bytes) -> None:
    """What is there stays: another build of the same commit may have been faster."""
    file = Path("sourcedir.tar.gz")
    file.write_bytes(archive)
    try:
        place = ("--bucket", os.environ["MODELS_BUCKET"], "--key", key)
        _aws("s3api", "put-object", *place, "--body", str(file), "--if-none-match", "*")
    except subprocess.CalledProcessError as error:
        if "PreconditionFailed" not in error.stderr and "ConditionalRequestConflict" not in error.stderr:
            raise


def _aws(*arguments: str) -> str:
    return subprocess.run(["aws", *arguments], capture_output=True, text=True, check=True).stdout


def _git(*arguments: str, inside: bool = False) -> subprocess.CompletedProcess[str]:
    where = ["--git-dir", str(_CLONE)] if inside else []
    return subprocess.run(["git", *where, *arguments], capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
