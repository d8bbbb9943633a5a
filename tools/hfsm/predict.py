"""`hfsm predict`: ask an endpoint."""

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hfsm.cloud import Parameters
from hfsm.errors import OperatorError, WrongUseError


@dataclass(frozen=True)
class Prediction:
    """One answer of a text classification endpoint. score: probability of the label, 0 to 1."""

    text: str
    label: str
    score: float


def endpoint_name(parameters: Parameters, endpoint: str) -> str:
    """The SageMaker name of an endpoint of the settings, or of one that is called so in SageMaker.

    Raises WrongUseError with the endpoints that exist.
    """
    deployed = parameters.find(f"inference/{endpoint}/endpoint-name")
    if deployed is not None:
        return deployed
    sagemaker = parameters.cloud.client("sagemaker")
    try:
        sagemaker.describe_endpoint(EndpointName=endpoint)
        return endpoint
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in ("ValidationException", "ResourceNotFound"):
            raise
    exist = parameters.children("inference")
    raise WrongUseError(
        f"Environment {parameters.environment!r} has no endpoint {endpoint!r}. "
        + (f"It has: {', '.join(exist)}." if exist else "It has none yet.")
        + f" An endpoint appears when inference.endpoints in environments/{parameters.environment}.yaml "
        "names its model and the environment is deployed."
    )


def invoke(runtime: Any, endpoint: str, texts: list[str]) -> list[Prediction]:
    """Classify texts in one request. Raises OperatorError with the model's own message where it fails."""
    try:
        answer = runtime.invoke_endpoint(
            EndpointName=endpoint,
            ContentType="application/json",
            Accept="application/json",
            Body=json.dumps({"inputs": texts}),
        )
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if code == "ModelError":
            raise OperatorError(_model_error(endpoint, error)) from error
        if code in ("ValidationError", "ValidationException"):
            message = error.response.get("Error", {}).get("Message", "")
            raise OperatorError(f"Endpoint {endpoint} does not answer: {message} See `hfsm status`.") from error
        raise
    body = answer["Body"].read()
    try:
        rows = json.loads(body)
        predictions = [
            Prediction(text, str(row["label"]), float(row["score"])) for text, row in zip(texts, rows, strict=True)
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise OperatorError(
            f"Endpoint {endpoint} answered something that is no text classification: {body[:300]!r}. "
            f"Does it serve another task? Ask it with `aws sagemaker-runtime invoke-endpoint`."
        ) from error
    return predictions


def _model_error(endpoint: str, error: ClientError) -> str:
    original: Any = error.response
    message = str(original.get("OriginalMessage") or original.get("Error", {}).get("Message", ""))
    try:
        parsed = json.loads(message)
        # The Hugging Face toolkit answers {"code": 400, "type": "…", "message": "…"}.
        message = str(parsed.get("message", message)) if isinstance(parsed, dict) else message
    except ValueError:
        pass
    status = original.get("OriginalStatusCode", "an error")
    log = original.get("LogStreamArn") or f"/aws/sagemaker/Endpoints/{endpoint}"
    return f"The model behind {endpoint} answered {status}: {message} Its log: {log}."


def predict(endpoint: str, texts: list[str], parameters: Parameters, console: Console) -> None:
    """Print which model answers, where the settings say so, and label and score of every text."""
    name = endpoint_name(parameters, endpoint)
    table = Table("label", "score", "text", box=None, pad_edge=False)
    for prediction in invoke(parameters.cloud.client("sagemaker-runtime"), name, texts):
        table.add_row(prediction.label, f"{prediction.score:.4f}", Text(prediction.text))
    if model := parameters.find(f"inference/{endpoint}/model"):
        console.print(Text(f"{name} serves {model.rpartition(':model-package/')[2]}"), soft_wrap=True)
    console.print(table)
