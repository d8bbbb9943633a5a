"""What watches an endpoint's data and answers: monitoring schedules, and the definitions of their jobs."""

from typing import ClassVar

from localcloud.cloudformation.resource import (
    Deployed,
    ImmutableResource,
    Properties,
    Request,
    ResourceType,
    delete_if_there,
)


class JobDefinition(ImmutableResource):
    """`Ref` answers its ARN. kind: as the API's operations spell it."""

    kind: ClassVar[str]

    def create(self, request: Request) -> Deployed:
        name = request.name("JobDefinitionName", longest=63)
        arguments = request.arguments(
            "sagemaker", f"Create{self.kind}JobDefinition", JobDefinitionName=name, Tags=request.tags() or None
        )
        arn = getattr(request.api("sagemaker"), f"create_{self._words}")(**arguments)["JobDefinitionArn"]
        return Deployed(arn, {"JobDefinitionArn": arn})

    def delete(self, request: Request, deployed: Deployed) -> None:
        name = deployed.physical_id.rpartition("/")[2]
        delete_if_there(getattr(request.api("sagemaker"), f"delete_{self._words}"), JobDefinitionName=name)

    @property
    def _words(self) -> str:
        return f"{self.kind.removesuffix('Quality').lower()}_quality_job_definition"


class DataQualityJobDefinition(JobDefinition):
    type_name = "AWS::SageMaker::DataQualityJobDefinition"
    kind = "DataQuality"


class ModelQualityJobDefinition(JobDefinition):
    type_name = "AWS::SageMaker::ModelQualityJobDefinition"
    kind = "ModelQuality"


class MonitoringSchedule(ResourceType):
    """`Ref` answers its ARN."""

    type_name = "AWS::SageMaker::MonitoringSchedule"
    replaced_by = frozenset({"MonitoringScheduleName"})

    def create(self, request: Request) -> Deployed:
        arguments = request.arguments("sagemaker", "CreateMonitoringSchedule", Tags=request.tags() or None)
        arn = request.api("sagemaker").create_monitoring_schedule(**arguments)["MonitoringScheduleArn"]
        return Deployed(arn, {"MonitoringScheduleArn": arn})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        arguments = request.arguments("sagemaker", "UpdateMonitoringSchedule")
        request.api("sagemaker").update_monitoring_schedule(**arguments)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        name = deployed.physical_id.rpartition("/")[2]
        delete_if_there(request.api("sagemaker").delete_monitoring_schedule, MonitoringScheduleName=name)


TYPES = (DataQualityJobDefinition, ModelQualityJobDefinition, MonitoringSchedule)
