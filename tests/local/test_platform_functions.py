"""Lambda functions that run their own code."""

import base64
import contextlib
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.embedded_aws import RunningLocalCloud

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
Make = Callable[..., str]


@pytest.fixture(scope="module")
def role(localcloud: RunningLocalCloud) -> str:
    made = localcloud.client("iam").create_role(RoleName="test-functions", AssumeRolePolicyDocument=json.dumps(TRUST))
    return str(made["Role"]["Arn"])


@pytest.fixture
def make_function(localcloud: RunningLocalCloud, role: str, request: pytest.FixtureRequest) -> Iterator[Make]:
    client, name = localcloud.client("lambda"), request.node.originalname.replace("test_", "")[:60]

    def make(files: dict[str, str], handler: str = "app.handler.handle", **settings: Any) -> str:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as written:
            for path, text in files.items():
                written.writestr(path, text)
        settings = {"Runtime": "python3.13", "Timeout": 20} | settings
        code = {"ZipFile": archive.getvalue()}
        client.create_function(FunctionName=name, Role=role, Handler=handler, Code=code, **settings)
        return str(name)

    yield make
    with contextlib.suppress(ClientError):  # A test may be about a function that cannot be made.
        client.delete_function(FunctionName=name)


def invoke(localcloud: RunningLocalCloud, name: str, event: Any) -> tuple[dict[str, Any], Any]:
    answer = localcloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail")
    return answer, json.loads(answer["Payload"].read())


def test_runs_its_package_with_event_context_and_environment(
    localcloud: RunningLocalCloud, make_function: Make
) -> None:
    # Given a function of two modules that tells what it sees
    name = make_function(
        {
            "app/handler.py": (
                "import os\n"
                "from app import logic\n"
                "def handle(event, context):\n"
                "    return {'twice': logic.twice(event['n']), 'colour': os.environ['COLOUR'],\n"
                "            'name': context.function_name, 'left': context.get_remaining_time_in_millis(),\n"
                "            'id': context.aws_request_id, 'endpoint': os.environ['AWS_ENDPOINT_URL']}\n"
            ),
            "app/logic.py": "def twice(n):\n    return 2 * n\n",
        },
        Environment={"Variables": {"COLOUR": "green"}},
    )

    # When it is invoked
    answer, payload = invoke(localcloud, name, {"n": 21})

    # Then it has run with its own code, settings and context
    assert "FunctionError" not in answer
    assert payload["twice"] == 42
    assert payload["colour"] == "green"
    assert payload["name"] == name
    assert 0 < payload["left"] <= 20_000
    assert len(payload["id"]) == 36
    assert payload["endpoint"] == localcloud.endpoint_url


def test_calls_aws_through_boto3(localcloud: RunningLocalCloud, make_function: Make) -> None:
    localcloud.client("ssm").put_parameter(Name="/functions/colour", Value="blue", Type="String")
    name = make_function(
        {
            "app/handler.py": (
                "import boto3\n"
                "def handle(event, context):\n"
                "    return boto3.client('ssm').get_parameter(Name='/functions/colour')['Parameter']['Value']\n"
            )
        }
    )

    assert invoke(localcloud, name, {})[1] == "blue"


def test_finds_only_what_lambdas_runtime_carries(localcloud: RunningLocalCloud, make_function: Make) -> None:
    # Given a function that imports a library that is installed here, and not in Lambda's runtime
    name = make_function({"app/handler.py": "import pydantic\ndef handle(event, context):\n    return 1\n"})

    # Then it fails as it would there
    answer, payload = invoke(localcloud, name, {})
    assert answer["FunctionError"] == "Unhandled"
    assert payload["errorType"] == "Runtime.ImportModuleError"
    assert "pydantic" in payload["errorMessage"]


def test_an_exception_is_an_unhandled_error_with_its_trace(localcloud: RunningLocalCloud, make_function: Make) -> None:
    name = make_function(
        {"app/handler.py": "def handle(event, context):\n    raise ValueError('epochs must be at least 1')\n"}
    )

    answer, payload = invoke(localcloud, name, {})

    assert answer["FunctionError"] == "Unhandled"
    assert payload["errorType"] == "ValueError"
    assert payload["errorMessage"] == "epochs must be at least 1"
    assert "app/handler.py" in payload["stackTrace"][-1]
    assert not any("function_process" in frame for frame in payload["stackTrace"])


def test_what_it_prints_is_in_its_log_group(localcloud: RunningLocalCloud, make_function: Make) -> None:
    name = make_function(
        {
            "app/handler.py": (
                "import sys\n"
                "def handle(event, context):\n"
                "    print('to stdout')\n"
                "    print('to stderr', file=sys.stderr)\n"
            )
        }
    )

    answer, payload = invoke(localcloud, name, {})

    events = localcloud.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    messages = [event["message"] for event in events]
    assert payload is None
    assert {"to stdout", "to stderr"} <= set(messages)
    assert messages[0].startswith("START RequestId")
    assert "to stdout" in base64.b64decode(answer["LogResult"]).decode()


def test_a_line_in_the_embedded_metric_format_becomes_metrics(
    localcloud: RunningLocalCloud, make_function: Make
) -> None:
    # Given a function that prints metrics, as a value and as several, and another line of JSON
    metrics = [{"Name": "Seconds", "Unit": "Seconds"}, {"Name": "Count"}]
    directive = {"Namespace": "Printed", "Dimensions": [["Kind"]], "Metrics": metrics}
    body = (
        "import json, time\n"
        "def handle(event, context):\n"
        f"    aws = {{'Timestamp': int(time.time() * 1000), 'CloudWatchMetrics': [{directive}]}}\n"
        "    print(json.dumps({'_aws': aws, 'Kind': 'text', 'Seconds': [1, 2.5], 'Count': 4}))\n"
        "    print(json.dumps({'_aws': 'nothing'}))\n"
    )
    # When it is called
    invoke(localcloud, make_function({"app/handler.py": body}), {})
    # Then CloudWatch has them
    now = datetime.now(UTC)
    for name, total in (("Seconds", 3.5), ("Count", 4)):
        (point,) = localcloud.client("cloudwatch").get_metric_statistics(
            Namespace="Printed",
            MetricName=name,
            Dimensions=[{"Name": "Kind", "Value": "text"}],
            StartTime=now - timedelta(minutes=10),
            EndTime=now + timedelta(minutes=10),
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        assert point["Sum"] == total


def test_an_event_that_fails_is_left_in_the_dead_letter_queue(
    localcloud: RunningLocalCloud, make_function: Make
) -> None:
    # Given a function that fails, and a queue for what it fails with
    sqs = localcloud.client("sqs")
    queue = sqs.create_queue(QueueName="letters")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    body = {"app/handler.py": "def handle(event, context):\n    raise ValueError(event)\n"}
    name = make_function(body, DeadLetterConfig={"TargetArn": arn})
    # When it is called by an event, so that nobody waits
    localcloud.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps({"run": 1}))
    # Then the event lies in the queue
    (letter,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]
    assert json.loads(letter["Body"]) == {"run": 1}


def test_a_function_that_takes_too_long_is_killed(localcloud: RunningLocalCloud, make_function: Make) -> None:
    name = make_function(
        {"app/handler.py": "import time\ndef handle(event, context):\n    time.sleep(60)\n"}, Timeout=1
    )

    begun = time.monotonic()
    answer, payload = invoke(localcloud, name, {})

    assert time.monotonic() - begun < 20
    assert answer["FunctionError"] == "Unhandled"
    assert "Task timed out after 1.00 seconds" in payload["errorMessage"]


def test_a_process_that_exits_is_an_error(localcloud: RunningLocalCloud, make_function: Make) -> None:
    name = make_function({"app/handler.py": "import os\ndef handle(event, context):\n    os._exit(3)\n"})

    answer, payload = invoke(localcloud, name, {})

    assert answer["FunctionError"] == "Unhandled"
    assert payload["errorType"] == "Runtime.ExitError"
    assert "exit status 3" in payload["errorMessage"]


def test_an_answer_that_is_no_json_is_an_error(localcloud: RunningLocalCloud, make_function: Make) -> None:
    name = make_function({"app/handler.py": "def handle(event, context):\n    return {1, 2}\n"})

    answer, payload = invoke(localcloud, name, {})

    assert answer["FunctionError"] == "Unhandled"
    assert payload["errorType"] == "Runtime.MarshalError"


def test_another_runtime_is_an_error_that_names_it(make_function: Make) -> None:
    with pytest.raises(ClientError, match=r"nodejs22\.x"):
        make_function({"index.js": "exports.handle = () => 1"}, handler="index.handle", Runtime="nodejs22.x")
