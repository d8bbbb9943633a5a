"""An endpoint that follows a job type, and the function that deploys, as stacks; their network is nobody's."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from aws_cdk import App, CfnOutput, DefaultStackSynthesizer, Environment, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_ssm as ssm

from hf_sagemaker.approved_model import ApprovedModel
from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.endpoint import HuggingFaceEndpoint
from hf_sagemaker.model_deployment import FollowedJobType, ModelDeployment
from hf_sagemaker.placement import Placement

ROOT = Path(__file__).resolve().parents[2]
# Trains by keeping the word of its channel, and serves by saying it. `broken` trains well and does not serve.
PROGRAM = """
import http.server, os, pathlib, shutil, sys
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
if sys.argv[-1] == "train":
    word, accuracy = (base / "input/data/train/word.txt").read_text().split()
    (base / "model/word.txt").write_text(word)
    print(f"accuracy={accuracy}", flush=True)
    sys.exit(0)
word = (base / "model/word.txt").read_text()
if word == "broken":
    sys.exit("this model does not load")

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.answer(b"")
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(word.encode())
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
"""


class ApprovedModels:
    """Two stacks: an endpoint that follows a job type, and the function that deploys what was approved."""

    def __init__(self, *, environment: str, endpoint: str, job_type: str, group: str, parameter: str) -> None:
        """endpoint: its name. parameter: name of the SSM parameter with the approved version."""
        self._app = App(builtin_cloud_formation_validation=False, analytics_reporting=False)
        path = f"/hf-sagemaker/{environment}/models/{job_type}/endpoints"
        followed = FollowedJobType(job_type=job_type, group=group, version_parameter=parameter, stacks_path=path)
        self.shared = _Shared(self._app, f"{environment}-Inference", followed, f"{environment}-Endpoint")
        self.endpoint = _Endpoint(self._app, f"{environment}-EndpointWords", followed, endpoint)

    def templates(self, s3: Any) -> dict[str, str]:
        """By stack, as CloudFormation takes them; what they name in the bucket of assets is put there."""
        return templates_of(self._app, s3)


def templates_of(app: App, s3: Any) -> dict[str, str]:
    """By stack, as CloudFormation takes them; what they name in the bucket of assets is put there."""
    assembly = app.synth()
    folder = Path(assembly.directory)
    assets = [
        asset for file in folder.glob("*.assets.json") for asset in json.loads(file.read_text())["files"].values()
    ]
    for asset in assets:
        source = folder / asset["source"]["path"]
        if not source.is_dir():
            continue
        for place in asset["destinations"].values():
            if place["bucketName"] not in [each["Name"] for each in s3.list_buckets()["Buckets"]]:
                s3.create_bucket(Bucket=place["bucketName"])
            s3.put_object(Bucket=place["bucketName"], Key=place["objectKey"], Body=_zipped(source))
    return {stack.stack_name: json.dumps(stack.template) for stack in assembly.stacks}


class _OwnStack(Stack):
    def __init__(self, app: App, name: str) -> None:
        super().__init__(
            app,
            name,
            env=Environment(account="123456789012", region="us-east-1"),
            synthesizer=DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
        )
        self.key = kms.Key.from_key_arn(self, "Key", f"arn:aws:kms:us-east-1:{self.account}:key/tests")


class _Shared(_OwnStack):
    def __init__(self, app: App, name: str, followed: FollowedJobType, stack_prefix: str) -> None:
        super().__init__(app, name)
        topic = sns.Topic(self, "Topic")
        ModelDeployment(
            self,
            "ModelDeployment",
            followed=[followed],
            stack_prefix=stack_prefix,
            read_parameters=[],
            keys=EnvironmentKeys(data=self.key, models=self.key, images=self.key, logs=self.key, operations=self.key),
            topic=topic,
            function_root=ROOT / "lambda",
        )
        CfnOutput(self, "TopicArn", value=topic.topic_arn)


class _Endpoint(_OwnStack):
    def __init__(self, app: App, name: str, followed: FollowedJobType, endpoint: str) -> None:
        super().__init__(app, name)
        model = ApprovedModel(
            self,
            "Approved",
            job_type=followed.job_type,
            group=followed.group,
            version_parameter=followed.version_parameter,
        )
        HuggingFaceEndpoint(
            self,
            "Endpoint",
            endpoint_name=endpoint,
            model=model.source,
            exists=model.exists,
            role=iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com")),
            placement=self._placement(),
            key=self.key,
        )
        ssm.CfnParameter(self, "Follows", name=f"{followed.stacks_path}/words", type="String", value=name)

    def _placement(self) -> Placement:
        vpc = ec2.Vpc.from_vpc_attributes(
            self, "Vpc", vpc_id="vpc-1", availability_zones=["us-east-1a"], isolated_subnet_ids=["subnet-1"]
        )
        group = ec2.SecurityGroup.from_security_group_id(self, "Group", "sg-1", mutable=False)
        return Placement(vpc=vpc, subnets=vpc.isolated_subnets, security_groups=[group])


def _zipped(folder: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted(each for each in folder.rglob("*") if each.is_file()):
            archive.write(file, file.relative_to(folder))
    return packed.getvalue()
