"""What one demo measured: the model of `build/demo/report.json`, and its table."""

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hfsm.progress import seconds_text


class Measured(BaseModel):
    """Base of the report's parts: complete, and nothing that is not in the model."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StackReport(Measured):
    """One CloudFormation stack. seconds: from `deploying...` to the tick of the CDK CLI's output."""

    name: str
    resources: int
    seconds: float


class DeployReport(Measured):
    """The first deployment.

    seconds: `cdk deploy` of the whole environment; bootstrap and synth have fields of their own.
    update_seconds: synth and `cdk deploy` of the settings that name the model.
    unsupported_resource_types: types of resources that a template holds and its stack does not.
    """

    seconds: float
    bootstrap_seconds: float
    synth_seconds: float
    update_seconds: float
    stacks: list[StackReport]
    unsupported_resource_types: list[str]


class ImageReport(Measured):
    """One image. seconds: of its CodeBuild build. digest: as ECR tells it."""

    name: str
    seconds: float
    digest: str


class TrainingReport(Measured):
    """The training run. Steps are optimizer steps, counted from 0.

    step_at_interruption: where the interruption found the script; resumed_from_step: where it went on.
    training_seconds, billable_seconds: as DescribeTrainingJob tells them.
    spot_price_ratio: price of a spot second over the price of an on-demand second. It is assumed, and with it
    billable_seconds and savings_percent: only the AWS market knows it.
    """

    spot: bool
    interruptions: int
    save_steps: int
    step_at_interruption: int
    resumed_from_step: int
    final_step: int
    training_seconds: float
    billable_seconds: float
    spot_price_ratio: float
    spot_price_ratio_is: str = "assumed"
    savings_percent: float
    accuracy: float
    majority_baseline: float


class RegistryReport(Measured):
    """The registered model."""

    group: str
    package_arn: str
    status: str


class EndpointReport(Measured):
    """The endpoint.

    ready_seconds: from its creation to InService. first_answer_ms: the first prediction, which may wait for
    the model to be loaded. p50_ms, p99_ms: round trips of `requests` requests sent one after the other when
    the ten predictions had been made. errors: how many of them failed.
    """

    instance_type: str
    ready_seconds: float
    first_answer_ms: float
    requests: int
    p50_ms: float
    p99_ms: float
    errors: int


class PredictionReport(Measured):
    """One prediction. score: probability of the label, 0 to 1."""

    text: str
    label: str
    score: float


class Report(Measured):
    """Everything that one demo measured. Seconds are wall clock, on the machine that it ran on."""

    schema_version: str = "1"
    deploy: DeployReport
    images: list[ImageReport]
    training: TrainingReport
    registry: RegistryReport
    endpoint: EndpointReport
    predictions: list[PredictionReport]
    total_seconds: float


def show(report: Report, console: Console) -> None:
    """Print the report as a table."""
    deploy, training, endpoint = report.deploy, report.training, report.endpoint
    table = Table(title="What the demo did", title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for stack in deploy.stacks:
        table.add_row(f"stack {stack.name}", f"{stack.resources} resources in {seconds_text(stack.seconds)}")
    table.add_row(
        "cdk deploy",
        f"{seconds_text(deploy.seconds)}; again with the model: {seconds_text(deploy.update_seconds)}",
    )
    for image in report.images:
        table.add_row(f"image {image.name}", f"{seconds_text(image.seconds)}, {image.digest[:19]}")
    lost = training.step_at_interruption - training.resumed_from_step
    table.add_row(
        "spot interruptions",
        f"{training.interruptions}, at step {training.step_at_interruption} of {training.final_step}; went on from "
        f"step {training.resumed_from_step}: {lost} steps lost (saved every {training.save_steps})",
    )
    table.add_row(
        "trained",
        f"{seconds_text(training.training_seconds)}, billable {seconds_text(training.billable_seconds)}: "
        f"{training.savings_percent:.1f} % saved at the assumed spot price of "
        f"{training.spot_price_ratio:.2f} × on demand",
    )
    table.add_row(
        "accuracy",
        f"{training.accuracy:.3f} (always the most frequent label: {training.majority_baseline:.3f})",
    )
    table.add_row("model package", f"{report.registry.package_arn}, {report.registry.status}")
    table.add_row(
        "endpoint",
        f"{endpoint.instance_type}, in service after {seconds_text(endpoint.ready_seconds)}; "
        f"{endpoint.requests} requests: "
        f"p50 {endpoint.p50_ms:.1f} ms, p99 {endpoint.p99_ms:.1f} ms, {endpoint.errors} errors",
    )
    table.add_row("in total", seconds_text(report.total_seconds))
    console.print(table)
    predictions = Table("label", "score", "text", box=None, pad_edge=False)
    for prediction in report.predictions:
        predictions.add_row(prediction.label, f"{prediction.score:.3f}", Text(prediction.text))
    console.print(predictions)
