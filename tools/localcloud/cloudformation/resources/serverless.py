"""Lambda functions and who may invoke them; state machines."""

import io
import json
import zipfile
from typing import Any

from localcloud.cloudformation.resource import (
    Deployed,
    ImmutableResource,
    Properties,
    Request,
    ResourceError,
    ResourceType,
    delete_if_there,
)

DEFAULTS: Properties = {
    "DeadLetterConfig": {"TargetArn": ""},
    "Description": "",
    "Environment": {"Variables": {}},
    "EphemeralStorage": {"Size": 512},
    "KmsKeyArn": "",
    "TracingConfig": {"Mode": "PassThrough"},
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
}


class Function(ResourceType):
    type_name = "AWS::Lambda::Function"
    replaced_by = frozenset({"FunctionName", "PackageType"})

    def create(self, request: Request) -> Deployed:
        name = request.name("FunctionName", longest=64)
        arguments = request.arguments("lambda", "CreateFunction", FunctionName=name, Tags=request.tag_map(), Code=None)
        function = request.api("lambda").create_function(**arguments, Code=_code(request.properties))
        deployed = Deployed(name, {"Arn": function["FunctionArn"]})
        request.exists(deployed)
        self._set_concurrency(request, name, {})
        return deployed

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        client, name, now = request.api("lambda"), deployed.physical_id, request.properties
        if now["Code"] != before["Code"] or now.get("Architectures") != before.get("Architectures"):
            architectures = {"Architectures": now["Architectures"]} if "Architectures" in now else {}
            client.update_function_code(FunctionName=name, **_code(now), **architectures)
        # What is no longer set goes back to its default, which the API does only when it is told.
        gone = {key: default for key, default in DEFAULTS.items() if key in before and key not in now}
        client.update_function_configuration(
            **request.arguments("lambda", "UpdateFunctionConfiguration", FunctionName=name, **gone)
        )
        self._set_concurrency(request, name, before)
        if request.tag_map():
            client.tag_resource(Resource=deployed.attributes["Arn"], Tags=request.tag_map())
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("lambda").delete_function, FunctionName=deployed.physical_id)

    def _set_concurrency(self, request: Request, name: str, before: Properties) -> None:
        client, key = request.api("lambda"), "ReservedConcurrentExecutions"
        if key in request.properties:
            client.put_function_concurrency(
                FunctionName=name, ReservedConcurrentExecutions=int(request.properties[key])
            )
        elif key in before:
            client.delete_function_concurrency(FunctionName=name)


class Permission(ImmutableResource):
    type_name = "AWS::Lambda::Permission"

    def create(self, request: Request) -> Deployed:
        statement = request.name("StatementId", longest=100)
        request.api("lambda").add_permission(**request.arguments("lambda", "AddPermission", StatementId=statement))
        return Deployed(statement, {"Id": statement})

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(
            request.api("lambda").remove_permission,
            FunctionName=request.properties["FunctionName"],
            StatementId=deployed.physical_id,
        )


class StateMachine(ResourceType):
    type_name = "AWS::StepFunctions::StateMachine"
    replaced_by = frozenset({"StateMachineName", "StateMachineType"})

    def create(self, request: Request) -> Deployed:
        name = request.name("StateMachineName", longest=80)
        arguments = request.arguments(
            "stepfunctions",
            "CreateStateMachine",
            name=name,
            type=request.properties.get("StateMachineType", "STANDARD"),
            definition=self._definition(request),
            Tags=request.tags(),
        )
        arn = request.api("stepfunctions").create_state_machine(**arguments)["stateMachineArn"]
        return Deployed(arn, {"Arn": arn, "Name": name})

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        client = request.api("stepfunctions")
        client.update_state_machine(
            **request.arguments(
                "stepfunctions",
                "UpdateStateMachine",
                stateMachineArn=deployed.physical_id,
                definition=self._definition(request),
            )
        )
        if request.tags():
            tags = [{"key": tag["Key"], "value": tag["Value"]} for tag in request.tags()]
            client.tag_resource(resourceArn=deployed.physical_id, tags=tags)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("stepfunctions").delete_state_machine, stateMachineArn=deployed.physical_id)

    def _definition(self, request: Request) -> str:
        properties = request.properties
        if "DefinitionString" in properties:
            text = str(properties["DefinitionString"])
        elif "Definition" in properties:
            text = json.dumps(properties["Definition"])
        else:
            place = properties["DefinitionS3Location"]
            answer = request.api("s3").get_object(Bucket=place["Bucket"], Key=place["Key"])
            text = answer["Body"].read().decode()
        for name, value in properties.get("DefinitionSubstitutions", {}).items():
            text = text.replace("${" + name + "}", str(value))
        return text


def _code(properties: Properties) -> dict[str, Any]:
    code = properties["Code"]
    if "ZipFile" not in code:
        return {key: value for key, value in code.items() if key in ("S3Bucket", "S3Key", "S3ObjectVersion")}
    # In a template `ZipFile` is the source itself, which CloudFormation puts into a file called index.
    runtime = str(properties.get("Runtime", ""))
    if not runtime.startswith("python"):
        raise ResourceError(f"Inline code of the runtime {runtime} is not known here, only python's.")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("index.py", code["ZipFile"])
    return {"ZipFile": archive.getvalue()}


TYPES = (Function, Permission, StateMachine)
