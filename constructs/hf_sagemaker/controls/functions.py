"""Controls 70 to 73: Lambda functions that are supported, limited, and keep no secrets."""

from collections.abc import Iterator

from hf_sagemaker.controls.control import Breach, Control, Proof, judge
from hf_sagemaker.controls.customer_keys import is_customer_key
from hf_sagemaker.controls.messaging import FUNCTION
from hf_sagemaker.controls.secret_settings import is_secret_setting
from hf_sagemaker.controls.templates import Resource, Templates
from hf_sagemaker.controls.training import WITH_A_JOB_TYPE

_RUNTIMES = ("python3.12", "python3.13", "python3.14", "nodejs22.x", "nodejs24.x")
"""Those that AWS keeps up for more than a year yet. Source: the Lambda developer guide, "Lambda runtimes"."""
_PERMISSION = "AWS::Lambda::Permission"


def is_supported(templates: Templates) -> Iterator[Proof | Breach]:
    """Functions run on a runtime that AWS still mends."""
    for function in templates.resources(FUNCTION):
        runtime = function.properties.get("Runtime")
        holds = runtime in _RUNTIMES or "ImageUri" in function.properties.get("Code", {})
        yield judge(function, holds, f"runs on {runtime}; it must be one of {', '.join(_RUNTIMES)}.")


def is_called_by_us(templates: Templates) -> Iterator[Proof | Breach]:
    """A service may call a function for one source of ours only, and nobody may without saying who he is."""
    permissions = list(templates.resources(_PERMISSION))
    for permission in permissions:
        yield judge(
            permission,
            _names_its_source(templates, permission),
            "lets callers of any account in; it needs SourceArn or SourceAccount of this account.",
        )
    for url in templates.resources("AWS::Lambda::Url"):
        yield judge(url, url.properties.get("AuthType") == "AWS_IAM", "is open to everybody; AuthType must be AWS_IAM.")
    for function in templates.resources(FUNCTION):
        if not any(function.is_named_by(p.properties.get("FunctionName")) for p in permissions):
            yield Proof(function, "Has no policy: only roles of this account that are allowed to can call it.")


def _names_its_source(templates: Templates, permission: Resource) -> bool:
    properties = permission.properties
    principal = str(properties.get("Principal"))
    if not principal.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return principal == templates.account or principal.split(":")[4:5] == [templates.account]
    if properties.get("SourceAccount") is not None:
        return bool(properties["SourceAccount"] == templates.account)
    source = str(properties.get("SourceArn", ""))
    return templates.find(source) is not None or source.split(":")[4:5] == [templates.account]


def keeps_no_secret(templates: Templates) -> Iterator[Proof | Breach]:
    """No variable holds a secret, and variables are encrypted with our key."""
    for function in templates.resources(FUNCTION):
        variables = function.properties.get("Environment", {}).get("Variables", {})
        if not variables:
            yield Proof(function, "Has no variables.")
            continue
        secret = sorted(name for name, value in variables.items() if is_secret_setting(name, value))
        yield judge(function, not secret, f"holds secrets in {', '.join(secret)}; read them from Secrets Manager.")
        ours = is_customer_key(templates, function.properties.get("KmsKeyArn"))
        yield judge(function, ours, "its variables need KmsKeyArn, a customer managed key.")


def is_limited(templates: Templates) -> Iterator[Proof | Breach]:
    """A function that runs wild takes no more than its own share of the account's concurrency."""
    for function in templates.resources(FUNCTION):
        reserved = function.properties.get("ReservedConcurrentExecutions")
        limited = isinstance(reserved, int) and reserved > 0
        yield judge(
            function, limited, "may take all of the account's concurrency; it needs ReservedConcurrentExecutions."
        )


CONTROLS = (
    Control(70, "supported runtime", "SH Lambda.2, AS-L1, CV E2531", is_supported, WITH_A_JOB_TYPE),
    Control(71, "Lambda permissions have SourceArn/SourceAccount", "CKV_AWS_364", is_called_by_us, WITH_A_JOB_TYPE),
    Control(72, "no secrets in Lambda env; env encrypted", "CKV_AWS_45/173", keeps_no_secret, WITH_A_JOB_TYPE),
    Control(
        73, "reserved concurrency set (custom resources incl.)", "R5 LambdaConcurrency", is_limited, WITH_A_JOB_TYPE
    ),
)
