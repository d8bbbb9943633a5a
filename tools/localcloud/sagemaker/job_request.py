"""What AWS asks of every job's request, whatever its kind."""

import re
from functools import cache
from typing import Any

import botocore.session
from botocore.validate import ParamValidator
from moto.sagemaker.exceptions import ValidationError

_LONGEST_NAME = 63


def check_shape(operation: str, request: dict[str, Any]) -> None:
    """ValidationError: the request is not of the form that the API has."""
    report = ParamValidator().validate(request, _shape(operation))
    if report.has_errors():
        raise ValidationError(report.generate_report())


@cache
def _shape(operation: str) -> Any:
    model = botocore.session.get_session().get_service_model("sagemaker")
    return model.operation_model(operation).input_shape


def name_problems(member: str, name: str, longest: int = _LONGEST_NAME) -> list[str]:
    """Why the name cannot be a job's. member: of the request, where it stands."""
    pattern = rf"^[a-zA-Z0-9](-*[a-zA-Z0-9]){{0,{longest - 1}}}$"
    if re.match(pattern, name) and len(name) <= longest:
        return []
    return [
        f"Value '{name}' at '{member[0].lower()}{member[1:]}' failed to satisfy constraint: Member must satisfy "
        f"regular expression pattern: {pattern}"
    ]
