"""Inference: what the stacks of endpoints share."""

from pathlib import Path

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.alarms import let_alarms_publish
from hf_sagemaker.endpoint_keeper import EndpointKeeper
from hf_sagemaker.endpoint_scaling import ScalingFunction
from hf_sagemaker.model_deployment import FollowedJobType, ModelDeployment
from hf_sagemaker.place import place_of
from hf_sagemaker.prepared_models import PREPARED_TYPE, ModelPreparation
from hf_sagemaker.smoke_request import SmokeFunction
from stacks.contract import ENDPOINT, approved_parameter, followers, parameter_path
from stacks.data_stack import DataStack
from stacks.settings import EnvironmentSettings

FUNCTIONS = Path(__file__).parent.parent / "lambda"


class InferenceStack(Stack):
    """Offers `alarm_topic`, which every alarm of endpoints tells, and `model_preparation`, the function that prepares
    models. None: no endpoint serves a model that has to be prepared. `scaling`, `smoke`: the functions that scale
    endpoints, and ask them their examples; there before the first endpoint, whose stack then is all that is new.
    `keeper`: stops endpoints of a disposable environment; None in any other.

    What is here grows with no endpoint, so that one more changes nothing but its own stack; but one that serves a model
    from a bucket of the team's names it here.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        settings: EnvironmentSettings,
        data: DataStack,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id, termination_protection=not settings.disposable)
        self._environment, self._settings, self._data = environment, settings, data
        self._removal_policy = removal_policy
        self.alarm_topic = sns.Topic(self, "AlarmTopic", master_key=data.keys.operations, enforce_ssl=True)
        let_alarms_publish(self.alarm_topic)
        read_elsewhere = self._read_elsewhere()
        for construct_id, role in (
            ("ModelAccess", data.roles.serving),
            ("AsynchronousModelAccess", data.roles.asynchronous),
            ("ServerlessModelAccess", data.roles.serverless),
        ):
            if read_elsewhere and role:
                allow.DutyPolicy(self, construct_id, role=role, permissions=read_elsewhere)
        self.model_preparation = self._model_preparation(read_elsewhere) if settings.prepares_models else None
        self.scaling = self._scaling()
        self.smoke = self._smoke()
        self.keeper = self._keeper() if settings.disposable else None
        if settings.followed_job_types:
            self._deploy_approved()

    def _scaling(self) -> ScalingFunction:
        return ScalingFunction(
            self,
            "Scaling",
            environment=self._environment,
            declarations=parameter_path(self._environment, "scaling"),
            keys=self._data.keys,
            topic=self.alarm_topic,
            function_root=FUNCTIONS,
            reserved_concurrency=self._settings.functions.reserved_concurrency,
            removal_policy=self._removal_policy,
        )

    def _smoke(self) -> SmokeFunction:
        return SmokeFunction(
            self,
            "Smoke",
            environment=self._environment,
            keys=self._data.keys,
            function_root=FUNCTIONS,
            role=self._data.roles.asking,
            asks_asynchronously=bool(self._settings.endpoints_of("asynchronous")),
            reserved_concurrency=self._settings.functions.reserved_concurrency,
            removal_policy=self._removal_policy,
        )

    def _keeper(self) -> EndpointKeeper:
        people = self._data.people
        return EndpointKeeper(
            self,
            "Keeper",
            environment=self._environment,
            topic=self.alarm_topic,
            keys=self._data.keys,
            function_root=FUNCTIONS,
            people=[people.platform_operator] if people.platform_operator else [],
            reserved_concurrency=self._settings.functions.reserved_concurrency,
            removal_policy=self._removal_policy,
        )

    def _read_elsewhere(self) -> list[allow.Permission]:
        """Of the models that endpoints serve from the team's buckets, one by one, and of these buckets' keys."""
        found: list[allow.Permission] = []
        for bucket, key in self._data.buckets.read_only:
            places = [place for name, place in self._settings.models_elsewhere if name == bucket.bucket_name]
            found += [allow.read_models(bucket, places)] if places else []
            found += [allow.decrypt_objects(key, bucket)] if places and key else []
        return found

    def _model_preparation(self, read_elsewhere: list[allow.Permission]) -> lambda_.IFunction:
        place = place_of(self)
        role = self._data.roles.packaging
        assert role is not None, "an environment that prepares models has the role for it"
        return ModelPreparation(
            self,
            "Models",
            role=role,
            permissions=read_elsewhere,
            code_bucket=f"cdk-{self.synthesizer.bootstrap_qualifier}-assets-{place.account}-{place.region}",
            log_key=self._data.keys.logs,
            function_root=FUNCTIONS,
            reserved_concurrency=self._settings.functions.reserved_concurrency,
            removal_policy=self._removal_policy,
        ).function

    def _deploy_approved(self) -> None:
        ModelDeployment(
            self,
            "ModelDeployment",
            followed=[
                FollowedJobType(
                    job_type=name,
                    group=f"{self._environment}-{name}",
                    version_parameter=approved_parameter(self._environment, name),
                    stacks_path=parameter_path(self._environment, followers(name)),
                )
                for name in self._settings.followed_job_types
            ],
            stack_prefix=f"{self._environment}-{ENDPOINT}",
            read_parameters=[
                parameter_path(self._environment, "images/*"),
                f"/cdk-bootstrap/{self.synthesizer.bootstrap_qualifier}/version",
            ],
            # The preparation of models of other origins follows the images.
            further_types=[PREPARED_TYPE],
            keys=self._data.keys,
            topic=self.alarm_topic,
            function_root=FUNCTIONS,
            reserved_concurrency=self._settings.functions.reserved_concurrency,
            removal_policy=self._removal_policy,
        )
