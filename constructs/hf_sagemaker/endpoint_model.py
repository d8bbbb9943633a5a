"""What an endpoint's container serves, and where endpoints run: the same for every mode."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aws_cdk import CfnCondition
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from constructs import Construct

from hf_sagemaker import compatibility
from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.instance_types import InstanceType
from hf_sagemaker.model_source import ModelSource
from hf_sagemaker.placement import Placement


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """A model and the container that serves it.

    source: where the model comes from.
    image: what it runs in, by its digest. The package of a registered model names it too, and that counts: omitted,
        nothing is checked, and the host image is SageMaker's default.
    task: the transformers pipeline task that a model from S3 or the mirror serves (HF_TASK), for example
        `text-classification`. Omitted: the container derives it from the model's configuration.
    environment: variables of the container, over those of the model package. Omitted: those alone.
    """

    source: ModelSource
    image: ContainerImage | None = None
    task: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def container(self) -> sagemaker.CfnModel.ContainerDefinitionProperty:
        """As CreateModel takes it. Raises ValueError when a model from S3 or the mirror has no image."""
        data = self.source.data
        if data is None:
            # The package brings the model: nothing is to be asked of the Hub.
            environment = {"HF_HUB_OFFLINE": "1", **self.environment} if self.environment else None
            return sagemaker.CfnModel.ContainerDefinitionProperty(
                model_package_name=self.source.model_package_arn, environment=environment
            )
        if self.image is None:
            raise ValueError(
                f"{self.source.name} comes without an image, which a registered model would name: give one."
            )
        kind, compression = ("S3Object", "Gzip") if data.is_archive else ("S3Prefix", "None")
        return sagemaker.CfnModel.ContainerDefinitionProperty(
            image=self.image.uri,
            model_data_source=sagemaker.CfnModel.ModelDataSourceProperty(
                s3_data_source=sagemaker.CfnModel.S3DataSourceProperty(
                    s3_uri=data.uri, s3_data_type=kind, compression_type=compression
                )
            ),
            environment=local_environment(self.task, self.environment),
        )

    def refuse_problems(
        self, *instances: InstanceType, isolated: bool, further: Sequence[tuple[str, str | None]] = ()
    ) -> None:
        """Raises IncompatibleError with all reasons why the image cannot run on one of the instances, and why a
        variable cannot be what it is.

        further: reasons, with what each is about; None for none.
        """
        compatibility.refuse(
            *(
                (f"instance type {each.name}", compatibility.instance_problem(self.image, each, "hosting"))
                for each in instances
                if self.image
            ),
            *further,
            *(
                (f"variable {name}", problem)
                for name, problem in (
                    *(
                        found
                        for each in instances[:1]
                        for found in compatibility.variable_problems(self.environment, each)
                    ),
                    *(
                        self.image.serving.variable_problems(self.environment)
                        if self.image and self.image.serving
                        else ()
                    ),
                )
            ),
            *(
                ("the container", problem)
                for problem in compatibility.isolation_problems(
                    # What a container without isolation reaches is its network's matter, which is not known here.
                    isolated=isolated,
                    leaves_vpc=not isolated,
                    environment=self.environment,
                )
            ),
        )


@dataclass(frozen=True, kw_only=True)
class EndpointSurroundings:
    """What an endpoint is given of its environment.

    role: assumed by the containers; reads the model. placement: where they run.
    key: encrypts the instances' volumes where the type takes a key; local NVMe is encrypted by hardware.
    isolated: the containers have no network; SageMaker brings the model. Omitted: they have none.
    alarm_topic: told when an alarm changes. Omitted: the alarms only show.
    exists: the endpoint, and all that belongs to it, is there only where this is true. Omitted: it is there.
    """

    role: iam.IRole
    placement: Placement
    key: kms.IKey
    isolated: bool = True
    alarm_topic: sns.ITopic | None = None
    exists: CfnCondition | None = None

    def model(
        self, scope: Construct, construct_id: str, container: sagemaker.CfnModel.ContainerDefinitionProperty
    ) -> sagemaker.CfnModel:
        """A model in the network, isolated where the environment is."""
        model = sagemaker.CfnModel(
            scope,
            construct_id,
            execution_role_arn=self.role.role_arn,
            primary_container=container,
            enable_network_isolation=self.isolated,
            vpc_config=sagemaker.CfnModel.VpcConfigProperty(
                subnets=self.placement.subnet_ids, security_group_ids=self.placement.security_group_ids
            ),
        )
        # SageMaker reads the model with the role while it creates it: the role's policies must be there.
        model.node.add_dependency(self.role)
        return model


def local_environment(task: str | None, environment: Mapping[str, str]) -> dict[str, str]:
    """Variables of a container whose model is brought to it."""
    # Nothing is to be asked of the Hub, which a container without a network waits for in vain.
    return {"HF_HUB_OFFLINE": "1", **({"HF_TASK": task} if task else {}), **environment}
