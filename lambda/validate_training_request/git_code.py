"""Training code from a Git repository: which archive it becomes, and what the build that makes it is told.

A job has no network. A build brings the code once per commit; a branch is what it is when the run begins.
"""

import hashlib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

GIT_PREFIX = "git/"
"""Where the archives lie, in the models bucket. Only the build can write there."""


def git_problems(request: dict[str, Any], allowed: Sequence[str]) -> list[str]:
    """allowed: patterns of addresses, in which `*` is any text."""
    git, source = request.get("git_config"), request.get("source_dir", "")
    if git is None:
        in_s3 = not source or source.startswith("s3://")
        return [] if in_s3 else [f"source_dir is {source!r}: without git_config it must be s3://…/sourcedir.tar.gz."]
    found = []
    if not any(fnmatchcase(git["repo"], pattern) for pattern in allowed):
        found.append(
            f"git_config.repo is {git['repo']!r}; "
            + (f"this environment allows {', '.join(allowed)}. " if allowed else "this environment allows none. ")
            + "The platform team says which, in training.git.allowed_repositories of the environment's settings."
        )
    if source.startswith("s3://"):
        found.append("source_dir is in S3 and git_config is given: code comes from one place.")
    if "entry_point" not in request:
        found.append("git_config needs entry_point: which file of the repository is started.")
    return found


def archive_key(git: Mapping[str, str], source_dir: str, commit: str) -> str:
    """In the models bucket. The same repository, folder and commit have the same archive."""
    place = hashlib.sha256(f"{git['repo']}\n{source_dir.strip('/')}".encode()).hexdigest()[:32]
    return f"{GIT_PREFIX}{place}/{commit}/sourcedir.tar.gz"


def build_variables(request: dict[str, Any]) -> list[dict[str, str]]:
    """`EnvironmentVariablesOverride` of the build that brings the code."""
    git, source_dir = request["git_config"], request.get("source_dir", "")
    values = {
        "CODE_REPOSITORY": git["repo"],
        "CODE_BRANCH": git.get("branch", ""),
        "CODE_COMMIT": git.get("commit", ""),
        "CODE_FOLDER": source_dir,
        "CODE_ENTRY_POINT": request["entry_point"],
        "CODE_ARCHIVE": archive_key(git, source_dir, "{commit}"),
    }
    return [{"Name": name, "Value": value, "Type": "PLAINTEXT"} for name, value in values.items()]


def resolved(git: Mapping[str, str], commit: str) -> dict[str, str]:
    """What is recorded of the code: in the job's tags, in the registered model and in the run's output."""
    return {"git-repository": git["repo"], "git-branch": git.get("branch", "-"), "git-commit": commit}
