"""A dashboard of one endpoint, and one alarm that says whether it is broken for its users."""

from collections.abc import Mapping, Sequence

from aws_cdk import CfnCondition
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from constructs import Construct

from hf_sagemaker import dashboard_body
from hf_sagemaker.endpoint_parts import EndpointMode, EndpointPart
from hf_sagemaker.endpoint_widgets import WatchedEndpoint, rows
from hf_sagemaker.place import place_of
from hf_sagemaker.prices import Price
from hf_sagemaker.runbooks import see

_MOST_ALARMS = 100
"""That one widget, and one composite alarm, takes."""


class EndpointDashboard(Construct):
    """Traffic, latency, errors, what the instances do, and what a thousand requests cost.

    It belongs into the endpoint's own stack: one endpoint more changes no other's.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        mode: EndpointMode,
        parts: Sequence[EndpointPart],
        prices: Mapping[str, Price],
        host_types: Sequence[str] = (),
        metrics_seconds: int = 60,
        batching: bool = False,
        alarms: Sequence[cloudwatch.IAlarm] = (),
        exists: CfnCondition | None = None,
    ) -> None:
        """Creates the dashboard, with the endpoint's name.

        endpoint_name: as SageMaker knows it. parts: what takes requests. mode: decides which metrics there are.
        prices: instance type → price of hosting, for example `hf_sagemaker.prices.hosting_prices`. Where one is not
            there, the dashboard says so in place of the cost.
        host_types: instance types that components share, the preferred one first. Omitted: the parts say.
        metrics_seconds: how often an instance reports, as the endpoint's configuration says. Omitted: every minute.
        batching: the container is the batching server, and its variable HFSM_ENDPOINT_NAME is the endpoint's name.
            Omitted: it writes no metrics of its own.
        alarms: of the endpoint; at most 100 are shown. Omitted: none.
        exists: as the endpoint has it. Omitted: the endpoint is there.

        Raises UnknownInstanceTypeError when SageMaker hosting has no such instance type.
        """
        super().__init__(scope, construct_id)
        watched = WatchedEndpoint(
            name=endpoint_name,
            mode=mode,
            parts=parts,
            prices=prices,
            region=place_of(self).region,
            host_types=host_types,
            metrics_seconds=metrics_seconds,
            batching=batching,
        )
        shown = [alarm.alarm_arn for alarm in alarms][:_MOST_ALARMS]
        first = [dashboard_body.alarms("Alarms", shown), _words(watched)] if shown else [_words(watched)]
        dashboard = cloudwatch.CfnDashboard(
            self, "Dashboard", dashboard_name=endpoint_name, dashboard_body=dashboard_body.body([first, *rows(watched)])
        )
        dashboard.cfn_options.condition = exists


class EndpointHealth(Construct):
    """One alarm for "is it broken for users": on as soon as one of the endpoint's alarms that users notice is.

    alarm: to be shown, or to wake people.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        alarms: Sequence[cloudwatch.IAlarm],
        topic: sns.ITopic | None = None,
        exists: CfnCondition | None = None,
    ) -> None:
        """Creates the alarm, called `<endpoint>-broken`.

        alarms: those that users notice: faults, latency, requests that nobody takes. Not those about what may break
            next, such as a disk that fills. At least one, at most 100.
        topic: told when it goes on and off. It must let alarms publish. Omitted: the alarm only shows.
        exists: as the endpoint has it. Omitted: the endpoint is there.

        Raises ValueError when there are none or too many alarms.
        """
        super().__init__(scope, construct_id)
        if not 1 <= len(alarms) <= _MOST_ALARMS:
            raise ValueError(f"{endpoint_name} has {len(alarms)} alarms: one to {_MOST_ALARMS} make a composite alarm.")
        told = [topic.topic_arn] if topic else None
        self.alarm = cloudwatch.CfnCompositeAlarm(
            self,
            "Broken",
            alarm_name=f"{endpoint_name}-broken",
            alarm_description=f"Endpoint {endpoint_name} is broken for its users. "
            + see("server-faults", "client-faults", "latency"),
            alarm_rule=" OR ".join(f'ALARM("{alarm.alarm_arn}")' for alarm in alarms),
            actions_enabled=True,
            alarm_actions=told,
            ok_actions=told,
        )
        self.alarm.cfn_options.condition = exists


def _words(watched: WatchedEndpoint) -> dashboard_body.Widget:
    return dashboard_body.text(
        f"## {watched.name}\n{watched.mode}, of {', '.join(part.name for part in watched.parts)}\n\n"
        "What to do at night: docs/runbooks.md. Its log groups begin with "
        f"`/aws/sagemaker/Endpoints/{watched.name}`; `hfsm endpoints list` says whether it was stopped.\n\n"
        "Instances are counted by their reports: SageMaker has no metric of their number."
    )
