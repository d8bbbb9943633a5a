"""Log groups, alarms, dashboards, and SSM parameters."""

from typing import Any

from moto.logs.models import logs_backends

from localcloud.cloudformation.resource import (
    Deployed,
    Properties,
    Request,
    ResourceType,
    delete_if_there,
    without_tags,
)


class LogGroup(ResourceType):
    type_name = "AWS::Logs::LogGroup"
    replaced_by = frozenset({"LogGroupName", "LogGroupClass"})

    def create(self, request: Request) -> Deployed:
        logs, name = request.api("logs"), request.name("LogGroupName", longest=512)
        arguments = request.arguments("logs", "CreateLogGroup", logGroupName=name, tags=request.tag_map() or None)
        logs.create_log_group(**arguments)
        api = request.api
        deployed = Deployed(name, {"Arn": f"arn:aws:logs:{api.region}:{api.account}:log-group:{name}:*"})
        request.exists(deployed)
        self._retain(request, name, {})
        return deployed

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        name = deployed.physical_id
        self._retain(request, name, before)
        # Not by AssociateKmsKey and DisassociateKmsKey: moto knows neither.
        group = logs_backends[request.api.account][request.api.region].groups[name]
        group.kms_key_id = request.properties.get("KmsKeyId")
        if request.tag_map():
            arn = str(deployed.attributes["Arn"]).removesuffix(":*")
            request.api("logs").tag_resource(resourceArn=arn, tags=request.tag_map())
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("logs").delete_log_group, logGroupName=deployed.physical_id)

    def _retain(self, request: Request, name: str, before: Properties) -> None:
        days = request.properties.get("RetentionInDays")
        if days is not None:
            request.api("logs").put_retention_policy(logGroupName=name, retentionInDays=int(days))
        elif "RetentionInDays" in before:
            request.api("logs").delete_retention_policy(logGroupName=name)


class Alarm(ResourceType):
    type_name = "AWS::CloudWatch::Alarm"
    replaced_by = frozenset({"AlarmName"})

    def create(self, request: Request) -> Deployed:
        return self._put(request, request.name("AlarmName", longest=255))

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        return self._put(request, deployed.physical_id)

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("cloudwatch").delete_alarms, AlarmNames=[deployed.physical_id])

    def _put(self, request: Request, name: str) -> Deployed:
        request.api("cloudwatch").put_metric_alarm(
            **request.arguments("cloudwatch", "PutMetricAlarm", AlarmName=name, Tags=request.tags())
        )
        api = request.api
        return Deployed(name, {"Arn": f"arn:aws:cloudwatch:{api.region}:{api.account}:alarm:{name}"})


class CompositeAlarm(ResourceType):
    """`Ref` answers its name."""

    type_name = "AWS::CloudWatch::CompositeAlarm"
    replaced_by = frozenset({"AlarmName"})

    def create(self, request: Request) -> Deployed:
        return self._put(request, request.name("AlarmName", longest=255))

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        return self._put(request, deployed.physical_id)

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("cloudwatch").delete_alarms, AlarmNames=[deployed.physical_id])

    def _put(self, request: Request, name: str) -> Deployed:
        arguments = request.arguments("cloudwatch", "PutCompositeAlarm", AlarmName=name, Tags=request.tags())
        request.api("cloudwatch").put_composite_alarm(**arguments)
        api = request.api
        return Deployed(name, {"Arn": f"arn:aws:cloudwatch:{api.region}:{api.account}:alarm:{name}"})


class Dashboard(ResourceType):
    type_name = "AWS::CloudWatch::Dashboard"
    replaced_by = frozenset({"DashboardName"})

    def create(self, request: Request) -> Deployed:
        return self._put(request, request.name("DashboardName", longest=255))

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        return self._put(request, deployed.physical_id)

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("cloudwatch").delete_dashboards, DashboardNames=[deployed.physical_id])

    def _put(self, request: Request, name: str) -> Deployed:
        # moto reads no tags of a dashboard, in this call or another.
        arguments = request.arguments("cloudwatch", "PutDashboard", DashboardName=name, Tags=request.tags())
        request.api("cloudwatch").put_dashboard(**arguments)
        return Deployed(name)


class Parameter(ResourceType):
    type_name = "AWS::SSM::Parameter"
    replaced_by = frozenset({"Name", "DataType"})

    def create(self, request: Request) -> Deployed:
        name = request.name("Name", longest=1011)
        # Created without leave to overwrite: a parameter that somebody else made is an error, as on AWS.
        return self._put(request, name, Tags=request.tags())

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        ssm, name = request.api("ssm"), deployed.physical_id
        put = self._put(request, name, Overwrite=True, Tags=None)
        gone = without_tags(_as_tags(before.get("Tags", {})), request.tags())
        if gone:
            ssm.remove_tags_from_resource(ResourceType="Parameter", ResourceId=name, TagKeys=gone)
        if request.tags():
            ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId=name, Tags=request.tags())
        return put

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("ssm").delete_parameter, Name=deployed.physical_id)

    def _put(self, request: Request, name: str, **own: Any) -> Deployed:
        request.api("ssm").put_parameter(**request.arguments("ssm", "PutParameter", Name=name, **own))
        return Deployed(name, {"Type": request.properties["Type"], "Value": request.properties["Value"]})


def _as_tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


TYPES = (LogGroup, Alarm, CompositeAlarm, Dashboard, Parameter)
