"""What a request may not ask of the GPU that it runs on: number formats and kernels which that GPU does not have."""

from collections.abc import Sequence
from typing import Any


def precision_problems(request: dict[str, Any], instance_type: str, rules: Sequence[dict[str, Any]]) -> list[str]:
    """One sentence for each hyperparameter or variable that the job would fail with.

    instance_type: of the job. rules: see `hf_sagemaker.compatibility.hyperparameter_rules`, which has their source.
    """
    return [
        f"{field}.{name} is {value!r}: it must be {asked['instead']} on {instance_type}: {rule['needs']}, and "
        f"{instance_type} {rule['lacking'][instance_type]}."
        for rule in rules
        if instance_type in rule["lacking"]
        for field, names in (("hyperparameters", rule["hyperparameters"]), ("environment", rule["variables"]))
        for name, asked in names.items()
        if (value := request.get(field, {}).get(name)) is not None and str(value).lower() in asked["values"]
    ]
