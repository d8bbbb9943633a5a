"""What the tests of asynchronous, serverless, component and multi-model endpoints share: a cloud, an image, models."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.local.compute_projects import ROLE, Projects, archive, until
from tests.local.control import control
from tests.local.test_compute_endpoints import DOCKERFILE, SERVE

# Answers with the model's word; `wait …` takes a second, `fail …` is an error of the model's own code.
HANDLER = """
import pathlib, time
def model_fn(model_dir):
    return pathlib.Path(model_dir, "word.txt").read_text()
def input_fn(data, content_type):
    return data.decode() if isinstance(data, (bytes, bytearray)) else data
def predict_fn(data, model):
    if data.startswith("wait"):
        time.sleep(1)
    if data.startswith("fail"):
        raise ValueError("the model does not want to")
    return f"{model} {data}"
def output_fn(prediction, accept):
    return prediction.encode()
"""


class Modes:
    """Makes models and endpoints on an embedded AWS whose minute is short."""

    def __init__(self, running: Any) -> None:
        self.running = running
        self.sagemaker = running.client("sagemaker")
        self.runtime = running.client("sagemaker-runtime")
        self.s3 = running.client("s3")
        self.projects = Projects(running)
        self.bucket = self.projects.bucket
        self.image = self.projects.image({"Dockerfile": DOCKERFILE, "serve.py": SERVE}, "inference")

    def model(self, word: str | None) -> str:
        """A model that answers with the word; its name. None: it cannot be loaded."""
        name = f"model-{uuid.uuid4().hex[:8]}"
        files = {"code/inference.py": HANDLER, **({"word.txt": word} if word else {})}
        self.s3.put_object(Bucket=self.bucket, Key=f"{name}.tar.gz", Body=archive(files))
        container = {"Image": self.image, "ModelDataUrl": f"s3://{self.bucket}/{name}.tar.gz"}
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
        return name

    def endpoint(self, variant: dict[str, Any], **config: Any) -> str:
        """An endpoint that has settled; its name. config: of its configuration, beside the variant."""
        name = f"endpoint-{uuid.uuid4().hex[:8]}"
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=self.config(variant, **config))
        self.settled(name)
        return name

    def config(self, variant: dict[str, Any], **config: Any) -> str:
        """An endpoint configuration with one variant; its name."""
        name = f"config-{uuid.uuid4().hex[:8]}"
        variants = [{"VariantName": "AllTraffic", **variant}]
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants, **config)
        return name

    def settled(self, name: str) -> dict[str, Any]:
        def look() -> dict[str, Any]:
            described: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=name)
            return described

        return until(look, lambda endpoint: endpoint["EndpointStatus"] not in ("Creating", "Updating"), seconds=100)

    def ask(self, name: str, text: str, **arguments: Any) -> str:
        arguments = {"ContentType": "text/plain", **arguments}
        answer = self.runtime.invoke_endpoint(EndpointName=name, Body=text, **arguments)
        return str(answer["Body"].read().decode())

    def containers(self, part: str) -> int:
        """How many run whose description has the text: `endpoint NAME`, `inference component NAME`."""
        described = control(self.running, "status", method="GET")["containers"]
        return sum(part in each["description"] and each["exit_code"] is None for each in described)

    def total(self, metric: str, dimensions: dict[str, str], statistic: str = "Sum") -> float:
        """What CloudWatch has of a metric, the largest value where the statistic is Maximum."""
        now = datetime.now(UTC)
        points = self.running.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            StartTime=now - timedelta(minutes=10),
            EndTime=now + timedelta(minutes=10),
            Period=3600,
            Statistics=[statistic],
        )["Datapoints"]
        return float(sum(point[statistic] for point in points))
