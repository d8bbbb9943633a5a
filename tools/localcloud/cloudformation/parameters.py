"""Parameters of a stack: what was given, what the template defaults to, and what the template then sees."""

from typing import Any

from botocore.exceptions import ClientError
from moto.cloudformation.exceptions import ValidationError

from localcloud.cloudformation.resource import AwsApi
from localcloud.cloudformation.template import Template


def given_parameters(incoming: list[dict[str, Any]], previous: dict[str, str]) -> dict[str, str]:
    """Texts by name from an API call's list, in which `UsePreviousValue` stands for the value of before.

    Raises ValidationError where there was none.
    """
    given = {}
    for parameter in incoming:
        name = parameter["ParameterKey"]
        if str(parameter.get("UsePreviousValue", "")).lower() == "true":
            if name not in previous:
                raise ValidationError(
                    message=f"Invalid input for parameter key {name}. Cannot specify usePreviousValue as true for "
                    "a parameter key not in the previous template"
                )
            given[name] = previous[name]
        else:
            given[name] = parameter.get("ParameterValue", "")
    return given


def effective_parameters(template: Template, given: dict[str, str]) -> dict[str, str]:
    """Texts by name, of every parameter of the template. Raises ValidationError for all that is missing or wrong."""
    declared = template.get("Parameters", {})
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise ValidationError(message=f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    missing = sorted(name for name, slot in declared.items() if name not in given and "Default" not in slot)
    if missing:
        raise ValidationError(message=f"Parameters: [{', '.join(missing)}] must have values")
    texts = {name: str(given.get(name, slot.get("Default", ""))) for name, slot in declared.items()}
    for name, slot in declared.items():
        allowed = [str(each) for each in slot.get("AllowedValues", [])]
        if allowed and texts[name] not in allowed:
            raise ValidationError(message=f"Parameter '{name}' must be one of AllowedValues: {allowed}")
    return texts


def parameter_values(template: Template, texts: dict[str, str], api: AwsApi) -> dict[str, Any]:
    """What the template sees: lists split, SSM parameters read. Raises ValidationError where there is none."""
    declared = template.get("Parameters", {})
    return {name: _value(text, declared[name]["Type"], api) for name, text in texts.items()}


def _value(text: str, type_name: str, api: AwsApi) -> Any:
    if type_name.startswith("AWS::SSM::Parameter::Value"):
        text = read_ssm_parameter(text, api)
    if type_name == "CommaDelimitedList" or "List<" in type_name:
        return [item.strip() for item in text.split(",")] if text else []
    return text


def read_ssm_parameter(name: str, api: AwsApi) -> str:
    """Raises ValidationError naming the parameter when there is none."""
    try:
        return str(api("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
    except ClientError as error:
        raise ValidationError(
            message=f"Unable to fetch parameters [{name}] from parameter store for this account. ({error})"
        ) from None
