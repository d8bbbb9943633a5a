"""`hfsm accelerate-config`: what `accelerate launch` needs to train in an environment, from what its stacks tell."""

import yaml

from hfsm.accelerate_config import AccelerateConfig
from hfsm.cloud import Parameters
from hfsm.errors import OperatorError
from hfsm.train import job_type

_NOT_BUILT = "none"


def write(parameters: Parameters, named: str | None) -> str:
    """A file of `accelerate config` for SageMaker, as YAML: role, network, keys, image and places of the environment.

    named: the job type; None: the only one. Raises OperatorError where its image was never built.
    """
    job = job_type(named, "--job-type", parameters)
    image = parameters.get(f"training/{job}/image")
    uri = parameters.get(f"images/{image}/digest")
    if uri == _NOT_BUILT:
        raise OperatorError(f"Image {image!r} was never built: hfsm build {image} --env {parameters.environment}")
    machine = parameters.get(f"training/{job}/state-machine-arn")
    role = parameters.get("roles/training-arn")
    key = parameters.get("data/models-key-arn")
    models = parameters.get("data/models-bucket")
    trained = f"s3://{models}/trained"
    config = AccelerateConfig(
        compute_environment="AMAZON_SAGEMAKER",
        base_job_name=f"{parameters.environment}-{job}",
        ec2_instance_type=parameters.get(f"training/{job}/instance-types").split(",")[0],
        iam_role_name=role.rsplit("/", 1)[-1],
        image_uri=uri,
        mixed_precision="no",
        region=machine.split(":")[3],
        additional_args={
            "subnets": parameters.get(f"training/{job}/subnets").split(","),
            "security_group_ids": parameters.get(f"training/{job}/security-groups").split(","),
            "encrypt_inter_container_traffic": True,
            "enable_network_isolation": parameters.get("guardrails/isolation") == "true",
            "output_path": trained,
            "output_kms_key": key,
            "code_location": f"s3://{models}/sources",
        },
    )
    return yaml.safe_dump(config.model_dump(exclude_none=True, mode="json"), sort_keys=True)
