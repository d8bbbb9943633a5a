"""EventBridge Scheduler: schedules and their groups."""

from localcloud.cloudformation.resource import Deployed, Properties, Request, ResourceType, delete_if_there


class Schedule(ResourceType):
    """`Ref` answers its name."""

    type_name = "AWS::Scheduler::Schedule"
    replaced_by = frozenset({"Name", "GroupName"})

    def create(self, request: Request) -> Deployed:
        name = request.name("Name", longest=64)
        made = request.api("scheduler").create_schedule(**request.arguments("scheduler", "CreateSchedule", Name=name))
        return Deployed(name, {"Arn": made["ScheduleArn"]})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        arguments = request.arguments("scheduler", "UpdateSchedule", Name=deployed.physical_id)
        request.api("scheduler").update_schedule(**arguments)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        group = request.properties.get("GroupName") or "default"
        delete_if_there(request.api("scheduler").delete_schedule, Name=deployed.physical_id, GroupName=group)


class ScheduleGroup(ResourceType):
    """`Ref` answers its name. Its deletion takes its schedules with it."""

    type_name = "AWS::Scheduler::ScheduleGroup"
    replaced_by = frozenset({"Name"})

    def create(self, request: Request) -> Deployed:
        name, tags = request.name("Name", longest=64), request.tags() or None
        arguments = request.arguments("scheduler", "CreateScheduleGroup", Name=name, Tags=tags)
        arn = request.api("scheduler").create_schedule_group(**arguments)["ScheduleGroupArn"]
        return Deployed(name, {"Arn": arn, "State": "ACTIVE"})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        arn, tags = deployed.attributes["Arn"], request.tags()
        scheduler = request.api("scheduler")
        gone = {each["Key"] for each in before.get("Tags", [])} - {each["Key"] for each in tags}
        if gone:
            scheduler.untag_resource(ResourceArn=arn, TagKeys=sorted(gone))
        if tags:
            scheduler.tag_resource(ResourceArn=arn, Tags=tags)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("scheduler").delete_schedule_group, Name=deployed.physical_id)


TYPES = (Schedule, ScheduleGroup)
