"""Monitoring schedules: kept and given back. moto has none, and none runs here: AWS's monitoring image is AWS's."""

from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow
from moto.sagemaker.exceptions import ResourceInUseException, ResourceNotFound
from moto.sagemaker.models import SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse
from moto.sagemaker.utils import arn_formatter


class MonitoringOperations(SageMakerResponse):
    """The operations that moto lacks."""

    def create_monitoring_schedule(self) -> ActionResult:
        request = self._get_params()
        name, kept = request["MonitoringScheduleName"], _schedules(self.sagemaker_backend)
        arn = arn_formatter("monitoring-schedule", name, self.current_account, self.region)
        if name in kept:
            raise ResourceInUseException(f"Monitoring Schedule {arn} already exists")
        config = request["MonitoringScheduleConfig"]
        now = utcnow()
        kept[name] = {
            "MonitoringScheduleName": name,
            "MonitoringScheduleArn": arn,
            "MonitoringScheduleConfig": config,
            "MonitoringScheduleStatus": "Scheduled",
            "MonitoringType": config.get("MonitoringType", "DataQuality"),
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        return ActionResult({"MonitoringScheduleArn": arn})

    def describe_monitoring_schedule(self) -> ActionResult:
        found = self._monitoring_schedule()
        endpoint = _endpoint(self.sagemaker_backend, found)
        return ActionResult(found | ({"EndpointName": endpoint} if endpoint else {}))

    def list_monitoring_schedules(self) -> ActionResult:
        """All, or those of an endpoint."""
        wanted = self._get_param("EndpointName")
        summaries = [_summary(self.sagemaker_backend, each) for each in _schedules(self.sagemaker_backend).values()]
        summaries = [each for each in summaries if wanted in (None, each.get("EndpointName"))]
        return ActionResult({"MonitoringScheduleSummaries": summaries})

    def list_monitoring_executions(self) -> ActionResult:
        """None has run."""
        return ActionResult({"MonitoringExecutionSummaries": []})

    def update_monitoring_schedule(self) -> ActionResult:
        found = self._monitoring_schedule()
        found["MonitoringScheduleConfig"] = self._get_params()["MonitoringScheduleConfig"]
        return self._monitoring_changed(found)

    def start_monitoring_schedule(self) -> EmptyResult:
        return self._set_monitoring_status("Scheduled")

    def stop_monitoring_schedule(self) -> EmptyResult:
        return self._set_monitoring_status("Stopped")

    def delete_monitoring_schedule(self) -> EmptyResult:
        del _schedules(self.sagemaker_backend)[self._monitoring_schedule()["MonitoringScheduleName"]]
        return EmptyResult()

    def _set_monitoring_status(self, status: str) -> EmptyResult:
        found = self._monitoring_schedule()
        found["MonitoringScheduleStatus"] = status
        self._monitoring_changed(found)
        return EmptyResult()

    def _monitoring_changed(self, schedule: dict[str, Any]) -> ActionResult:
        schedule["LastModifiedTime"] = utcnow()
        return ActionResult({"MonitoringScheduleArn": schedule["MonitoringScheduleArn"]})

    def _monitoring_schedule(self) -> dict[str, Any]:
        name = self._get_param("MonitoringScheduleName")
        found = _schedules(self.sagemaker_backend).get(name)
        if found is None:
            arn = arn_formatter("monitoring-schedule", name, self.current_account, self.region)
            raise ResourceNotFound(message=f"Monitoring Schedule {arn} not found")
        return found


def _summary(backend: SageMakerModelBackend, schedule: dict[str, Any]) -> dict[str, Any]:
    members = ("MonitoringScheduleName", "MonitoringScheduleArn", "MonitoringScheduleStatus")
    summary = {name: schedule[name] for name in (*members, "MonitoringType", "CreationTime", "LastModifiedTime")}
    endpoint = _endpoint(backend, schedule)
    return summary | ({"EndpointName": endpoint} if endpoint else {})


def _endpoint(backend: SageMakerModelBackend, schedule: dict[str, Any]) -> str | None:
    """Whose data it looks at: its own definition says it, or the job definition that it names."""
    config = schedule["MonitoringScheduleConfig"]
    inputs = (config.get("MonitoringJobDefinition") or {}).get("MonitoringInputs") or [{}]
    name = config.get("MonitoringJobDefinitionName")
    if definition := backend.data_quality_job_definitions.get(name):
        inputs = [definition.data_quality_job_input]
    elif model_definition := backend.model_quality_job_definitions.get(name):
        inputs = [model_definition.model_quality_job_input]
    endpoint: str | None = (inputs[0].get("EndpointInput") or {}).get("EndpointName")
    return endpoint


def _schedules(backend: SageMakerModelBackend) -> dict[str, dict[str, Any]]:
    kept: dict[str, dict[str, Any]] = vars(backend).setdefault("localcloud_monitoring_schedules", {})
    return kept
