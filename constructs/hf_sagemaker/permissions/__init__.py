"""Every IAM action that this library grants, by duty: `from hf_sagemaker import permissions as allow`.

No action holds a wildcard. `Resource: *` stands only where the service knows no resource type for the action.
Source: the Service Authorization Reference.
"""

from hf_sagemaker.permissions.images import (
    ECR_PULL,
    ECR_PUSH,
    look_at_builds,
    registry_login,
    run_builds,
    use_repositories,
    write_build_logs,
)
from hf_sagemaker.permissions.jobs import (
    attach_to_vpc,
    call_endpoints,
    look_at_jobs,
    put_metrics,
    read_service_logs,
    sagemaker_arn,
    train_in_place,
    write_service_logs,
)
from hf_sagemaker.permissions.permission import (
    DutyPolicy,
    Permission,
    allow,
    pass_role,
    service_principal,
    statement,
)
from hf_sagemaker.permissions.storage import (
    decrypt_objects,
    encrypt_objects,
    encrypt_volumes,
    list_objects,
    read_model,
    read_objects,
    read_parameters,
    read_secret,
    replicate,
    use_key_through,
    write_objects,
    write_parameters,
)
from hf_sagemaker.permissions.workflows import (
    approve_models,
    function_telemetry,
    register_models,
    run_training_jobs,
    start_executions,
    step_functions_telemetry,
    stop_executions,
)

__all__ = [
    "ECR_PULL",
    "ECR_PUSH",
    "DutyPolicy",
    "Permission",
    "allow",
    "approve_models",
    "attach_to_vpc",
    "call_endpoints",
    "decrypt_objects",
    "encrypt_objects",
    "encrypt_volumes",
    "function_telemetry",
    "list_objects",
    "look_at_builds",
    "look_at_jobs",
    "pass_role",
    "put_metrics",
    "read_model",
    "read_objects",
    "read_parameters",
    "read_secret",
    "read_service_logs",
    "register_models",
    "registry_login",
    "replicate",
    "run_builds",
    "run_training_jobs",
    "sagemaker_arn",
    "service_principal",
    "start_executions",
    "statement",
    "step_functions_telemetry",
    "stop_executions",
    "train_in_place",
    "use_key_through",
    "use_repositories",
    "write_build_logs",
    "write_objects",
    "write_parameters",
    "write_service_logs",
]
