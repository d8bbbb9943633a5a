"""Jobs of the embedded AWS that mount file systems, as the first state of the workflow asks for them."""

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.bare_image import bare_image
from tests.local.compute_projects import ROLE, Projects, log_lines, until
from tests.local.workflow_machine import DEFAULTS
from validate_training_request.defaults import Defaults
from validate_training_request.logic import training_job

# Reads a file of each channel, and tries to write into the one that it is told to.
PROGRAM = """
import json, os, pathlib
data = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "input/data")
for channel in sorted(data.iterdir()):
    print(f"{channel.name}={(channel / 'word.txt').read_text()}", flush=True)
hyperparameters = json.loads((data.parent / "config/hyperparameters.json").read_text())
if name := json.loads(hyperparameters.get("write", '""')):
    for file in ("new.txt", "word.txt"):
        try:
            (data / name / file).write_text("written")
            print(f"{file}: written", flush=True)
        except OSError as error:
            print(f"{file}: {type(error).__name__}", flush=True)
"""
EFS, LUSTRE = "fs-0a1b2c3d", "fs-0123456789abcdef0"
KNOWN = [
    {"name": "corpora", "id": EFS, "type": "EFS", "access_mode": "ro", "directory_path": "/shared"},
    {"name": "cache", "id": LUSTRE, "type": "FSxLustre", "access_mode": "rw", "directory_path": "/a1b2c3d4"},
    {"name": "gone", "id": "fs-99999999", "type": "EFS", "access_mode": "ro", "directory_path": "/"},
]
VPC = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}


@dataclass
class Jobs:
    """Jobs of one image, and the folders of the file systems that they mount."""

    running: Any
    image: str
    bucket: str
    efs: Path
    lustre: Path

    def start(self, channels: Mapping[str, Any], write: str = "", *, in_vpc: bool = True) -> str:
        """As the workflow does, with what its first state makes of a request with these channels.

        write: the channel into which the script tries to write.
        """
        request = {"schema_version": "1", "name": "mounting", "channels": channels, "hyperparameters": {"write": write}}
        buckets = {"checkpoints_bucket": self.bucket, "data_buckets": [self.bucket], "models_bucket": self.bucket}
        job = training_job(request, Defaults(**DEFAULTS, **buckets, file_systems=KNOWN), uuid.uuid4().hex)
        self.running.client("sagemaker").create_training_job(
            TrainingJobName=job["on_demand_job_name"],
            AlgorithmSpecification={"TrainingImage": self.image, "TrainingInputMode": "File"},
            RoleArn=ROLE,
            HyperParameters=job["hyper_parameters"],
            InputDataConfig=job["input_data"],
            OutputDataConfig={"S3OutputPath": f"s3://{self.bucket}/output"},
            ResourceConfig=job["resources"],
            StoppingCondition={"MaxRuntimeInSeconds": 60},
            **({"VpcConfig": VPC} if in_vpc else {}),
        )
        return str(job["on_demand_job_name"])

    def ended(self, channels: Mapping[str, Any], write: str = "") -> dict[str, Any]:
        name = self.start(channels, write)
        client = self.running.client("sagemaker")
        over = ("Completed", "Failed", "Stopped")
        return until(
            lambda: dict(client.describe_training_job(TrainingJobName=name)),
            lambda job: job["TrainingJobStatus"] in over,
            seconds=90,
        )

    def lines(self, job: Mapping[str, Any]) -> list[str]:
        return log_lines(self.running.client("logs"), "/aws/sagemaker/TrainingJobs", f"{job['TrainingJobName']}/")


@pytest.fixture(scope="module")
def jobs(localcloud: Any) -> Jobs:
    projects = Projects(localcloud)
    image = bare_image(localcloud, PROGRAM, "tests/mounting")
    projects.s3.put_object(Bucket=projects.bucket, Key="test/word.txt", Body=b"bucket")
    file_systems = localcloud.state_dir / "file-systems"
    efs, lustre = file_systems / EFS / "shared", file_systems / LUSTRE / "a1b2c3d4"
    for folder, word in ((efs, "efs"), (lustre, "lustre")):
        folder.mkdir(parents=True)
        (folder / "word.txt").write_text(word)
    (efs / "way-out").symlink_to("/etc")
    return Jobs(localcloud, image, projects.bucket, efs, lustre)


def test_a_job_reads_channels_of_s3_efs_and_lustre_beside_each_other(jobs: Jobs) -> None:
    # Given a channel of each
    job = jobs.ended(
        {"test": f"s3://{jobs.bucket}/test/", "train": {"file_system": "corpora"}, "cache": {"file_system_id": LUSTRE}}
    )
    # Then the script finds the files of each
    assert job["TrainingJobStatus"] == "Completed", job
    assert [line for line in jobs.lines(job) if "=" in line] == ["cache=lustre", "test=bucket", "train=efs"]


def test_what_is_mounted_to_be_read_cannot_be_written(jobs: Jobs) -> None:
    job = jobs.ended({"train": {"file_system": "corpora"}}, write="train")
    # Given a script that tries to; then the file system is as it was
    assert sorted(path.name for path in jobs.efs.iterdir()) == ["way-out", "word.txt"]
    assert (jobs.efs / "word.txt").read_text() == "efs"
    # And the script was told, unless it was root, whom no file mode stops
    if os.geteuid() != 0:
        assert {"new.txt: PermissionError", "word.txt: PermissionError"} <= set(jobs.lines(job))


def test_what_is_mounted_to_be_written_keeps_what_a_job_writes(jobs: Jobs) -> None:
    (jobs.lustre / "runs").mkdir()
    (jobs.lustre / "runs/word.txt").write_text("before")
    channel = {"file_system": "cache", "directory_path": "/a1b2c3d4/runs", "file_system_access_mode": "rw"}
    jobs.ended({"train": channel}, write="train")
    assert (jobs.lustre / "runs/word.txt").read_text() == "written"
    assert (jobs.lustre / "runs/new.txt").read_text() == "written"


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        (
            {"file_system": "gone"},
            "Unable to mount file system: fs-99999999, directory path: /. File system connection",
        ),
        ({"file_system": "corpora", "directory_path": "/shared/none"}, "Incorrect mount path"),
        ({"file_system": "corpora", "directory_path": "/shared/way-out"}, "Incorrect mount path"),
    ],
)
def test_what_cannot_be_mounted_fails_the_job_in_sagemakers_words(jobs: Jobs, channel: Any, words: str) -> None:
    job = jobs.ended({"train": channel})
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Unable to mount file system")
    assert words in job["FailureReason"]


def test_a_file_system_is_mounted_inside_the_vpc_only(jobs: Jobs) -> None:
    with pytest.raises(ClientError, match="VpcConfig is required"):
        jobs.start({"train": {"file_system": "corpora"}}, in_vpc=False)
