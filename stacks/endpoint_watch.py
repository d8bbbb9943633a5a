"""What stands around an endpoint in its stack: its dashboard, its state, its end, its captures, and ways in."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from aws_cdk import CfnCondition, RemovalPolicy
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from constructs import Construct

from hf_sagemaker.data_capture import capture_requests
from hf_sagemaker.endpoint_api import ApiLogging, Callers, EndpointApi, RateLimits, RequestLimits
from hf_sagemaker.endpoint_dashboard import EndpointDashboard, EndpointHealth
from hf_sagemaker.endpoint_invoker import EndpointInvoker
from hf_sagemaker.endpoint_keeper import EndpointKeeper, KeptEndpoint
from hf_sagemaker.endpoint_parts import EndpointMode, EndpointPart
from hf_sagemaker.model_monitor import DataQuality, ModelMonitor, ModelQuality, MonitorPlace
from hf_sagemaker.placement import Placement
from hf_sagemaker.prices import hosting_prices
from stacks.contract import publish
from stacks.data_stack import DataStack
from stacks.endpoint_settings import EndpointSettings
from stacks.lifetime_settings import can_be_stopped
from stacks.settings import EnvironmentSettings


class Watched(Protocol):
    """What every endpoint offers, whatever its mode."""

    endpoint_name: str
    mode: EndpointMode
    endpoint: sagemaker.CfnEndpoint
    endpoint_config: sagemaker.CfnEndpointConfig

    @property
    def parts(self) -> Sequence[EndpointPart]:
        """What takes requests."""

    @property
    def alarms(self) -> Sequence[cloudwatch.Alarm]:
        """Those that users notice."""


class EndpointWatch(Construct):
    """Made after everything else that changes the endpoint's properties: what brings a stopped endpoint back before an
    update has to know them all.

    kept: what lets it be stopped; None where nothing may.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        settings: EnvironmentSettings,
        endpoint: EndpointSettings,
        watched: Watched,
        data: DataStack,
        topic: sns.ITopic,
        jobs: Placement,
        monitoring_role: iam.IRole | None,
        keeper: EndpointKeeper | None,
        api_logging: ApiLogging | None,
        host_types: Sequence[str] = (),
        metrics_seconds: int = 60,
        batching: bool = False,
        deployment: Mapping[str, Any] | None = None,
        exists: CfnCondition | None = None,
        removal_policy: RemovalPolicy,
    ) -> None:
        """Creates what the settings ask for.

        watched: the endpoint; with captures its role may put them, see `put_captures`.
        topic: told when it is broken for users.
        jobs, monitoring_role: where monitors run, and as whom, see `monitor_captures`. None: there are none.
        keeper: of a disposable environment; None elsewhere. api_logging: there where an endpoint has an API.
        host_types, metrics_seconds: as EndpointDashboard takes them.
        batching: its container is the batching server and knows the endpoint's name. Omitted: it writes no metrics.
        deployment: see KeptEndpoint.
        exists: as the endpoint has it. Omitted: the endpoint is there.
        """
        super().__init__(scope, construct_id)
        self.kept: KeptEndpoint | None = None
        name, mode = watched.endpoint_name, watched.mode
        if endpoint.capture:
            self._capture(endpoint, watched, data, topic, jobs, monitoring_role, exists)
        prices = settings.prices
        EndpointDashboard(
            self,
            "Dashboard",
            endpoint_name=name,
            mode=mode,
            parts=watched.parts,
            prices=hosting_prices(prices.hosting_per_hour, prices.as_of.isoformat() if prices.as_of else None),
            host_types=host_types,
            metrics_seconds=metrics_seconds,
            batching=batching,
            alarms=watched.alarms,
            exists=exists,
        )
        EndpointHealth(self, "Health", endpoint_name=name, alarms=watched.alarms, topic=topic, exists=exists)
        if keeper and can_be_stopped(mode) and not endpoint.monitor:
            lifetime = endpoint.lifetime
            self.kept = KeptEndpoint(
                self,
                "Kept",
                keeper=keeper,
                name=endpoint.name,
                endpoint=watched.endpoint,
                endpoint_name=name,
                parts=watched.parts,
                hours=lifetime.hours if lifetime else None,
                idle_hours=lifetime.idle_hours if lifetime else None,
                deployment=deployment,
                exists=exists,
            )
        if endpoint.callers:
            invoker = EndpointInvoker(self, "Invoker", endpoint_name=name, mode=mode, callers=endpoint.callers)
            publish(self, environment, {f"inference/{endpoint.name}/invoker-role-arn": invoker.role.role_arn})
        if api := endpoint.api:
            assert api_logging is not None, "an environment with an API lets it write logs"
            made = EndpointApi(
                self,
                "Api",
                endpoint_name=name,
                key=data.keys.logs,
                callers=Callers(principals=endpoint.callers, vpc_endpoint_ids=api.vpc_endpoint_ids),
                rate=RateLimits(per_second=api.requests_per_second, burst=api.burst),
                request=RequestLimits(inputs=api.request.inputs, characters=api.request.characters)
                if api.request
                else None,
                logging=api_logging,
                removal_policy=removal_policy,
            )
            publish(self, environment, {f"inference/{endpoint.name}/api-url": made.api.url})

    def _capture(
        self,
        endpoint: EndpointSettings,
        watched: Watched,
        data: DataStack,
        topic: sns.ITopic,
        jobs: Placement,
        monitoring_role: iam.IRole | None,
        exists: CfnCondition | None,
    ) -> None:
        """Captures, and the monitors that read them."""
        assert endpoint.capture is not None
        capture_requests(
            watched.endpoint_config,
            endpoint_name=watched.endpoint_name,
            bucket=data.buckets.data,
            key=data.keys.data,
            percent=endpoint.capture.percent,
            expires_days=endpoint.capture.expires_days,
        )
        if not (monitor := endpoint.monitor):
            return
        assert monitoring_role is not None, "an environment with monitors has the role for them"
        place = MonitorPlace(
            role=monitoring_role,
            bucket=data.buckets.data,
            bucket_key=data.keys.data,
            volume_key=data.keys.models,
            topic_key=data.keys.operations,
            placement=jobs,
        )
        checks: dict[str, DataQuality | ModelQuality] = {}
        if quality := monitor.data_quality:
            checks["DataQuality"] = DataQuality(baseline=quality.baseline, preprocessor=quality.preprocessor)
        if answers := monitor.model_quality:
            checks["ModelQuality"] = ModelQuality(**answers.model_dump())
        for construct_id, check in checks.items():
            ModelMonitor(
                self,
                construct_id,
                endpoint=watched.endpoint,
                endpoint_name=watched.endpoint_name,
                checks=check,
                place=place,
                instance_type=monitor.instance_type,
                hourly=monitor.hourly,
                alarm_topic=topic,
                exists=exists,
            )
