"""A training run as a state machine: validated, on spot first, evaluated, registered.

    Validate → TrainOnSpot → Evaluate → Register → Done
                  │ no capacity, no quota, too long a wait, too many interruptions
                  └→ TrainOnDemand, with the same checkpoints

Every error ends in `Failed`, with the cause in words and what to do. A redrive goes on behind the last step that
worked.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hf_sagemaker import compatibility
from hf_sagemaker import permissions as allow
from hf_sagemaker.buckets import EnvironmentBuckets
from hf_sagemaker.compliance import NOT_ISOLATED, acknowledge
from hf_sagemaker.concurrency_limit import ConcurrencyLimit
from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.execution_roles import (
    GIT_PREFIX,
    HUB_PREFIX,
    TRAINED_PREFIX,
    ExecutionRoles,
)
from hf_sagemaker.file_system import FileSystem
from hf_sagemaker.function import PythonFunction
from hf_sagemaker.git_source import GitSource, bring_code
from hf_sagemaker.image_by_digest import ImageByDigest
from hf_sagemaker.instance_types import instance_type
from hf_sagemaker.job_kinds import PROCESSING
from hf_sagemaker.job_task import TO_START_AND_END
from hf_sagemaker.model_registration import note_versions, registration_rules
from hf_sagemaker.placement import Placement
from hf_sagemaker.state_input import FromInput
from hf_sagemaker.training_defaults import TrainingDefaults, request_defaults
from hf_sagemaker.training_job_task import TIMEOUT, TrainingJobPlace
from hf_sagemaker.training_states import TrainingStates
from hf_sagemaker.tuning_states import TUNING_TIMEOUT, tune


class HuggingFaceTraining(Construct):
    """The state machine of one job type, with its functions, its model package group and its topic.

    state_machine: its input is a training request, its output {training, evaluation, model_package_arn,
        model_approval_status, code}.
    model_package_group, model_package_group_name: trained models that passed the gate are registered
        here, to be approved by a person, or by `approve_at`.
    topic: told about every end of a run.
    validating_role: of the function that checks requests.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        job_type: str,
        environment: str,
        defaults: TrainingDefaults,
        training_images: Mapping[str, ImageByDigest],
        inference_image: ImageByDigest,
        roles: ExecutionRoles,
        placement: Placement,
        keys: EnvironmentKeys,
        buckets: EnvironmentBuckets,
        function_root: Path,
        isolated: bool = True,
        unfit_images: Mapping[str, str] | None = None,
        git: GitSource | None = None,
        git_repositories: Sequence[str] = (),
        file_systems: Sequence[FileSystem] = (),
        limit: ConcurrencyLimit | None = None,
        reserved_concurrency: int | None = 5,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates the workflow.

        job_type, environment: name jobs and the model package group, which people address by name.
        defaults: what a request need not say.
        training_images: run jobs, by the names by which requests name them; the first is for a request that names
            none. inference_image: what a trained model is registered with. All as they were built last when a run
            begins.
        placement: where the job runs.
        isolated: the job's container has no network; SageMaker brings and takes its data. False: a request may still
            ask for that. Omitted: it has none.
        unfit_images: further names, and in a sentence why a request may not name them. Omitted: none.
        git: brings the code of requests that name a repository; git_repositories: patterns of those that it brings.
            Omitted: requests cannot.
        file_systems: which channels may name. `let_mount` opens the way to them. Omitted: none.
        limit: how many runs of the environment go on at a time; `LimitedRuns` then lets `validating_role` count them.
            Omitted: all.
        function_root: folder with the packages `validate_training_request` and `evaluate_model`.
        reserved_concurrency: of each function, as `PythonFunction` takes it.
        removal_policy: of the logs. Omitted: they are kept.

        Raises UnknownInstanceTypeError when a default names an instance type that SageMaker training does not have, and
        IncompatibleError with all reasons why the images do not fit the instances or each other.
        """
        super().__init__(scope, construct_id)
        compatibility.refuse(
            *(
                (
                    f"instance type {name}",
                    compatibility.instance_problem(each.image, instance_type(name, "training"), "training"),
                )
                for each in training_images.values()
                for name in defaults.instance_types
            ),
            *(
                ("inference image", compatibility.serving_problem(each.image, inference_image.image))
                for each in training_images.values()
            ),
        )
        self.topic = sns.Topic(self, "Topic", master_key=keys.operations, enforce_ssl=True)
        self.model_package_group_name = f"{environment}-{job_type}"
        self.model_package_group = sagemaker.CfnModelPackageGroup(
            self,
            "ModelPackageGroup",
            model_package_group_name=self.model_package_group_name,
            model_package_group_description=f"Models trained by {job_type} in {environment}",
        )
        functions = {
            name: PythonFunction(
                self,
                construct_id,
                source_root=function_root,
                package=name,
                description=description,
                key=keys.logs,
                permissions=permissions,
                acknowledged=False,
                reserved_concurrency=reserved_concurrency,
                removal_policy=removal_policy,
            )
            for name, construct_id, description, permissions in (
                (
                    "validate_training_request",
                    "ValidateRequest",
                    "Checks a training request",
                    # Whether a model of the Hub is there whole.
                    [
                        allow.list_objects(buckets.models, HUB_PREFIX),
                        # Whether a commit's code is.
                        *([allow.list_objects(buckets.models, GIT_PREFIX)] if git else []),
                        *note_versions(buckets),
                    ],
                ),
                ("evaluate_model", "EvaluateModel", "Holds a trained model against its gate", []),
            )
        }
        states = TrainingStates(
            self,
            "States",
            place=TrainingJobPlace(
                role=roles.training,
                placement=placement,
                key=keys.models,
                models_bucket=buckets.models,
                isolated=isolated or FromInput("$.job.enable_network_isolation"),
                prefix=TRAINED_PREFIX,
            ),
            validate=functions["validate_training_request"].function,
            request_defaults={
                **request_defaults(job_type, environment, defaults, buckets, keys.models),
                "isolated": isolated,
                "git_repositories": list(git_repositories),
                "file_systems": [each.as_request_default for each in file_systems],
                "image": next(iter(training_images)),
                "images": {name: each.parameter_name for name, each in training_images.items()},
                "unfit_images": dict(unfit_images or {}),
                "data_parallel_images": [
                    name for name, each in training_images.items() if each.image.data_parallel_library
                ],
            },
            evaluate=functions["evaluate_model"].function,
            model_package_group_name=self.model_package_group_name,
            registry=registration_rules(
                job_type=job_type,
                environment=environment,
                metric=defaults.metric,
                approve_at=defaults.approve_at,
                model_card=defaults.model_card,
                models=buckets.models,
            ),
            training_images=training_images,
            inference_image=inference_image,
            task=defaults.task,
            git=git,
            limit=limit,
            processing=defaults.processing,
            processing_max_run=defaults.processing_max_run,
        )
        self.validating_role = functions["validate_training_request"].role
        if not isolated:
            acknowledge(self, NOT_ISOLATED, "HfSageMaker::Control-54")
        images = [*training_images.values(), inference_image]
        policy = self._orchestration(environment, roles, keys, list(functions.values()), images, git)
        # The same is asked of both functions, and of what calls them: one answer.
        reasons = [*(each.reason for each in functions.values()), *policy.wildcards.values()]
        rules = [*(rule for each in functions.values() for rule in each.rules), *policy.wildcards]
        acknowledge(self, " ".join(dict.fromkeys(reasons)), *dict.fromkeys(rules))
        waiting = limit.longest if limit else Duration.hours(0)
        longest_run = _longest_run(defaults).plus(waiting)
        self.state_machine = self._state_machine(states, roles, keys, removal_policy, longest_run)
        self.state_machine.node.add_dependency(policy)

    def _orchestration(
        self,
        environment: str,
        roles: ExecutionRoles,
        keys: EnvironmentKeys,
        functions: Sequence[PythonFunction],
        images: Sequence[ImageByDigest],
        git: GitSource | None,
    ) -> allow.DutyPolicy:
        return allow.DutyPolicy(
            self,
            "OrchestrationPolicy",
            role=roles.orchestrating,
            permissions=[
                allow.allow(["lambda:InvokeFunction"], *(f.function.function_arn for f in functions)),
                allow.pass_role(roles.training, "sagemaker.amazonaws.com"),
                allow.run_training_jobs(self, f"{environment}-*"),
                *tune(self, environment),
                allow.run_jobs(self, PROCESSING, f"{environment}-*"),
                allow.register_models(self, self.model_package_group_name),
                allow.allow(["ssm:GetParameter"], *(image.parameter_arn for image in images)),
                allow.fail_own_tasks(),
                allow.use_key_through(self, keys.operations, "states"),
                allow.encrypt_volumes(self, keys.models),
                allow.step_functions_telemetry(),
                *(bring_code(git) if git else []),
            ],
            acknowledged=False,
        )

    def _state_machine(
        self,
        states: TrainingStates,
        roles: ExecutionRoles,
        keys: EnvironmentKeys,
        removal_policy: RemovalPolicy,
        longest_run: Duration,
    ) -> sfn.StateMachine:
        log_group = logs.LogGroup(
            self,
            "Logs",
            encryption_key=keys.logs,
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=removal_policy,
        )
        return sfn.StateMachine(
            self,
            "StateMachine",
            definition_body=sfn.DefinitionBody.from_chainable(states.start),
            comment="Validate → train on spot, on demand if need be → evaluate → register",
            role=roles.orchestrating.without_policy_updates(),
            logs=sfn.LogOptions(destination=log_group, level=sfn.LogLevel.ALL, include_execution_data=False),
            tracing_enabled=True,
            encryption_configuration=sfn.CustomerManagedEncryptionConfiguration(
                kms.Key.from_key_arn(self, "StateKey", keys.operations.key_arn)
            ),
            timeout=longest_run,
        )


def _longest_run(defaults: TrainingDefaults) -> Duration:
    """Data is prepared; spot until it gave up, then on demand in full; the model is evaluated; and some hours for
    retries and everything around them."""
    processing = 2 * (defaults.processing_max_run + 2 * TO_START_AND_END)
    return Duration.seconds(max(TIMEOUT, TUNING_TIMEOUT) * 2 + processing).plus(Duration.hours(4))
