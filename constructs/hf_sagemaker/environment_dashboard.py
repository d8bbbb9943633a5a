"""A dashboard of an environment that does not grow with its endpoints: CloudWatch looks for the ten that matter."""

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from hf_sagemaker import dashboard_body
from hf_sagemaker.dashboard_body import Axis, Widget, expression, graph, text
from hf_sagemaker.endpoint_widgets import INSTANCES, INVOCATIONS
from hf_sagemaker.place import place_of

_VARIANTS = "EndpointName, VariantName"
_SHOWN = 10


class EnvironmentDashboard(Construct):
    """Of all endpoints and training runs of the account and region: which are asked most, fail most, are slowest, are
    fullest, and cost most for nothing. Queries of Metrics Insights find them; no endpoint is named here."""

    def __init__(self, scope: Construct, construct_id: str, *, environment: str) -> None:
        """Creates the dashboard, called as the environment, behind `hf-sagemaker-`."""
        super().__init__(scope, construct_id)
        cloudwatch.CfnDashboard(
            self,
            "Dashboard",
            dashboard_name=f"hf-sagemaker-{environment}",
            dashboard_body=dashboard_body.body(_rows(environment, place_of(self).region)),
        )


def _rows(environment: str, region: str) -> list[list[Widget]]:
    def top(
        title: str,
        select: str,
        schema: str,
        axis: Axis,
        *,
        namespace: str = INVOCATIONS,
        by: str = "EndpointName",
        order: str = "DESC",
        period: int = 60,
        factor: str = "",
    ) -> Widget:
        """select: an aggregate of a metric, such as SUM(Invocations)."""
        aggregate = select.partition("(")[0]
        query = (
            f'SELECT {select} FROM SCHEMA("{namespace}", {schema}) GROUP BY {by} ORDER BY {aggregate}() {order} '
            f"LIMIT {_SHOWN}"
        )
        line = expression(query, "", id="q", period=period, **({"visible": False} if factor else {}))
        lines = [line, expression(f"q * {factor}", "", id="e")] if factor else [line]
        return graph(title, lines, region=region, axis=axis, period=period)

    requests, percent = Axis("requests"), Axis("percent")
    return [
        [_words(environment, region)],
        [
            top("Most requests a minute", "SUM(Invocations)", _VARIANTS, requests),
            top("Most 5XX a minute", "SUM(Invocation5XXErrors)", _VARIANTS, requests),
            top("Most 4XX a minute", "SUM(Invocation4XXErrors)", _VARIANTS, requests),
        ],
        [
            top("Slowest models, on average", "AVG(ModelLatency)", _VARIANTS, Axis("milliseconds"), factor="0.001"),
            top("Largest backlogs", "MAX(ApproximateBacklogSize)", "EndpointName", requests),
            top(
                "Components without a copy",
                "SUM(NoCapacityInvocationFailures)",
                "InferenceComponentName",
                requests,
                by="InferenceComponentName",
            ),
        ],
        [
            top("Fullest disks", "MAX(DiskUtilization)", _VARIANTS, percent, namespace=INSTANCES),
            top("Fullest GPU memories", "MAX(GPUMemoryUtilization)", _VARIANTS, percent, namespace=INSTANCES),
            top(
                "Least used GPUs: paid for, for what?",
                "AVG(GPUUtilization)",
                _VARIANTS,
                percent,
                namespace=INSTANCES,
                order="ASC",
                period=300,
            ),
        ],
        [
            top(
                "Most reports of instances in five minutes: who has most of them",
                "COUNT(CPUUtilization)",
                _VARIANTS,
                Axis("reports"),
                namespace=INSTANCES,
                period=300,
            ),
            top(
                "Failed training runs in an hour",
                "SUM(ExecutionsFailed)",
                "StateMachineArn",
                Axis("runs"),
                namespace="AWS/States",
                by="StateMachineArn",
                period=3600,
            ),
        ],
    ]


def _words(environment: str, region: str) -> Widget:
    search = f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#"
    return text(
        f"# {environment}\n"
        f"[What is broken for users]({search}alarmsV2:?alarmStateFilter=ALARM&search={environment}-) · "
        f"[dashboards of endpoints]({search}dashboards/?filter={environment}-) · "
        "what to do: docs/runbooks.md · `hfsm endpoints list` shows all endpoints and when they end\n\n"
        f"Each graph shows the {_SHOWN} endpoints, of this account and region, for which it matters most."
    )
