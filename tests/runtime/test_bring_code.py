"""The build of Git code, without CodeBuild: real git, a server on loopback, and S3."""

import base64
import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.runtime.git_server import GitServer

PROGRAM = Path(__file__).parents[2] / "constructs/hf_sagemaker/runtime/git/bring_code.py"
TOKEN = "ghp_" + "t" * 36
FILES = {"training/train.py": "print('hello')\n", "training/lib/more.py": "", "README.md": "read me\n"}


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    server.stop()


class Bringer:
    """The build's program, with a bucket and a Git server of its own."""

    def __init__(self, folder: Path, aws: str) -> None:
        self.folder = folder
        self.git = GitServer(folder / "repositories")
        self.git.folder.mkdir()
        self.bucket = folder.name.lower().replace("_", "-").strip("-")
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        self.s3: Any = boto3.client("s3", endpoint_url=aws, **keys)
        self.secrets: Any = boto3.client("secretsmanager", endpoint_url=aws, **keys)
        self.s3.create_bucket(Bucket=self.bucket)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "GIT_"))}
        self.environment = {
            **kept,
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "AWS_ENDPOINT_URL": aws,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "MODELS_BUCKET": self.bucket,
            "ALLOWED_REPOSITORIES": "http://127.0.0.1:*/team/*",
            "CODE_ARCHIVE": "git/place/{commit}/sourcedir.tar.gz",
            "CODE_ENTRY_POINT": "train.py",
            "CODE_FOLDER": "training",
        }

    def run(self, **variables: str) -> tuple[str, str, str]:
        """Commit, problem, and all that was said."""
        work = self.folder / "work" / str(len(list(self.folder.glob("work/*"))))
        work.mkdir(parents=True)
        repository = {"CODE_REPOSITORY": self.git.address("team/code")}
        environment = {**self.environment, **repository, **variables}
        done = subprocess.run(
            [sys.executable, str(PROGRAM)], cwd=work, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return (work / "commit").read_text(), (work / "problem").read_text(), done.stdout + done.stderr

    def stored(self) -> dict[str, bytes]:
        listed = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return {each["Key"]: self.s3.get_object(Bucket=self.bucket, Key=each["Key"])["Body"].read() for each in listed}


@pytest.fixture
def bringer(tmp_path: Path, aws: str) -> Iterator[Bringer]:
    made = Bringer(tmp_path, aws)
    yield made
    made.git.stop()


def _names(archive: bytes) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name for member in tar if member.isfile()}


def test_a_branch_is_the_commit_that_it_is_now(bringer: Bringer) -> None:
    # Given a repository with two commits
    bringer.git.commit("team/code", {**FILES, "training/old.py": ""})
    (bringer.git.folder / "team/code/training/old.py").unlink()
    newest = bringer.git.commit("team/code", FILES)
    # When its branch, and then its default branch, are asked for
    commit, problem, _ = bringer.run(CODE_BRANCH="main")
    again, _, said = bringer.run()
    # Then the folder at the newest commit is there, and was brought once
    assert (commit, again, problem) == (newest, newest, "")
    assert "is there already" in said
    ((key, archive),) = bringer.stored().items()
    assert key == f"git/place/{newest}/sourcedir.tar.gz"
    assert _names(archive) == {"train.py", "lib/more.py"}


def test_a_commit_stays_what_it_is_and_has_the_same_bytes(bringer: Bringer) -> None:
    first = bringer.git.commit("team/code", FILES)
    bringer.git.commit("team/code", {"training/train.py": "print('other')\n"})
    commit, problem, _ = bringer.run(CODE_COMMIT=first)
    assert (commit, problem) == (first, "")
    bringer.run(CODE_COMMIT=first, CODE_BRANCH="main", CODE_ARCHIVE="git/again/{commit}/sourcedir.tar.gz")
    one, other = bringer.stored().values()
    assert one == other


def test_a_tag_is_its_commit(bringer: Bringer) -> None:
    tagged = bringer.git.commit("team/code", FILES)
    bringer.git.run("team/code", "tag", "--annotate", "v1", "--message", "one")
    bringer.git.commit("team/code", {"README.md": "newer\n"})
    assert bringer.run(CODE_BRANCH="v1")[:2] == (tagged, "")


def test_the_token_is_read_from_its_secret_and_said_nowhere(bringer: Bringer) -> None:
    # Given a private repository, and a secret with the token
    commit = bringer.git.commit("team/code", FILES)
    secret = bringer.secrets.create_secret(Name=bringer.bucket, SecretString=TOKEN)["ARN"]
    header = f"Basic {base64.b64encode(f'x-access-token:{TOKEN}'.encode()).decode()}"
    bringer.git.secret = header
    # When code is brought
    brought, problem, said = bringer.run(CODE_BRANCH="main", GIT_SECRET_ARN=secret)
    # Then every request to the server had it, and no output and no file has it
    assert (brought, problem) == (commit, "")
    assert set(bringer.git.asked) == {header}
    left = b"".join(path.read_bytes() for path in (bringer.folder / "work").rglob("*") if path.is_file())
    for text in (TOKEN, header.removeprefix("Basic ")):
        assert text not in said
        assert text.encode() not in left
    # And without it the repository is not read
    assert "could not read" in bringer.run(CODE_BRANCH="main")[1]


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"CODE_BRANCH": "none"}, "has no branch or tag 'none'"),
        ({"CODE_COMMIT": "0" * 40}, f"has no commit {'0' * 40}"),
        ({"CODE_FOLDER": "elsewhere"}, "has no folder 'elsewhere'"),
        ({"CODE_ENTRY_POINT": "other.py"}, "entry_point 'other.py' is no file of training"),
        ({"CODE_REPOSITORY": "http://127.0.0.1:1/else/code.git"}, "does not allow that repository"),
        ({"CODE_REPOSITORY": "file:///team/code"}, "does not allow that repository"),
    ],
)
def test_what_is_not_there_is_said(bringer: Bringer, variables: dict[str, str], words: str) -> None:
    bringer.git.commit("team/code", FILES)
    commit, problem, _ = bringer.run(**variables)
    assert words in problem
    assert commit == ""
    assert bringer.stored() == {}


def test_a_commit_of_another_branch_is_refused(bringer: Bringer) -> None:
    bringer.git.commit("team/code", FILES)
    bringer.git.run("team/code", "checkout", "--quiet", "-b", "side")
    aside = bringer.git.commit("team/code", {"training/train.py": "print('aside')\n"})
    assert f"has no commit {aside} on main" in bringer.run(CODE_BRANCH="main", CODE_COMMIT=aside)[1]


def test_submodules_and_large_files_are_refused(bringer: Bringer) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 1\n"
    bringer.git.commit("team/code", {**FILES, "training/weights.bin": pointer})
    assert "weights.bin is in Git LFS" in bringer.run()[1]
    bringer.git.run("team/code", "rm", "--quiet", "training/weights.bin")
    bringer.git.run("team/code", "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},training/vendored")
    bringer.git.run("team/code", "commit", "--quiet", "--message", "module")
    assert "vendored is a submodule" in bringer.run()[1]
