"""Two roles for people: one who trains and calls models, one who keeps the platform running."""

from collections.abc import Sequence

from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.buckets import EnvironmentBuckets
from hf_sagemaker.compliance import acknowledge
from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.execution_roles import HUB_PREFIX, SOURCES_PREFIX, ExecutionRoles
from hf_sagemaker.hub_mirror import MODELS_VARIABLE
from hf_sagemaker.place import place_of
from hf_sagemaker.placement import Placement


class PeopleRoles(Construct):
    """The roles that people assume.

    data_scientist: uploads data and code, starts training, follows it, calls endpoints. Approves nothing and creates no
        endpoint: a model reaches one through the registry, the environment's settings and a deployment.
    platform_operator: approves models, stops and redrives runs, builds images, reads logs. Reads no data and no model.

    Each is None when nobody is named for it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        data_scientists: Sequence[str] = (),
        platform_operators: Sequence[str] = (),
    ) -> None:
        """Creates the roles.

        environment: the names of its jobs, endpoints and parameters begin with it.
        data_scientists, platform_operators: ARNs, with `*`, of the roles and users of this account who may assume
            each. Omitted: the role is not created.
        """
        super().__init__(scope, construct_id)
        self._environment = environment
        self.data_scientist = self._role("DataScientist", data_scientists) if data_scientists else None
        self.platform_operator = self._role("PlatformOperator", platform_operators) if platform_operators else None

    def allow_work(
        self,
        *,
        buckets: EnvironmentBuckets,
        keys: EnvironmentKeys,
        roles: ExecutionRoles,
        jobs: Placement,
        instance_types: Sequence[str],
    ) -> None:
        """Attaches to each role what its duty needs.

        jobs, instance_types: where and on what a data scientist's own training jobs run, when `roles` has a notebook
            role; without one there are none.
        """
        states = allow.use_key_through(self, keys.operations, "states", actions=["kms:Decrypt"])
        if self.platform_operator:
            allow.DutyPolicy(
                self,
                "PlatformOperatorPolicy",
                role=self.platform_operator,
                permissions=[
                    *self._looking_on(f"{self._environment}-*"),
                    allow.approve_models(self, f"{self._environment}-*"),
                    states,
                ],
            )
        if self.data_scientist:
            allow.DutyPolicy(
                self,
                "DataScientistPolicy",
                role=self.data_scientist,
                permissions=[
                    allow.write_objects(buckets.data),
                    allow.read_objects(buckets.models),
                    allow.write_objects(buckets.models, SOURCES_PREFIX),
                    allow.read_objects(buckets.checkpoints),
                    allow.encrypt_objects(keys.data, buckets.data),
                    allow.encrypt_objects(keys.models, buckets.models, buckets.checkpoints),
                    allow.call_endpoints(self, self._environment),
                    *self._looking_on(),
                    states,
                    *self._notebooks(roles.notebook, jobs, instance_types),
                ],
            )

    def _notebooks(
        self, role: iam.IRole | None, jobs: Placement, instance_types: Sequence[str]
    ) -> list[allow.Permission]:
        if not role:
            return []
        return [
            allow.allow(["iam:GetRole"], role.role_arn),
            allow.pass_role(role, "sagemaker.amazonaws.com"),
            allow.train_in_place(self, jobs.subnet_ids, jobs.security_group_ids, instance_types),
        ]

    def allow_workflow(
        self, scope: Construct, state_machine: sfn.StateMachine, *, acknowledged: bool = True
    ) -> dict[str, str]:
        """Lets data scientists start a state machine, and operators stop it. scope: where the policies belong.

        acknowledged: False leaves the wildcards, which are the answer, to whoever has more to acknowledge with them.
        """
        duties = (
            ("StartPolicy", self.data_scientist, allow.start_executions),
            ("StopPolicy", self.platform_operator, allow.stop_executions),
        )
        wildcards: dict[str, str] = {}
        for construct_id, role, permission in duties:
            if role:
                wildcards |= allow.DutyPolicy(
                    scope, construct_id, role=role, permissions=[permission(state_machine)], acknowledged=False
                ).wildcards
        if wildcards and acknowledged:
            acknowledge(scope, " ".join(dict.fromkeys(wildcards.values())), *wildcards)
        return wildcards

    def allow_builds(self, scope: Construct, project_arns: Sequence[str], repository_arns: Sequence[str]) -> None:
        """Lets operators build images, and both see them. scope: where the policies belong."""
        if self.platform_operator:
            permissions = [allow.run_builds(project_arns), allow.look_at_builds(project_arns, repository_arns)]
            allow.DutyPolicy(scope, "BuildPolicy", role=self.platform_operator, permissions=permissions)
        if self.data_scientist:
            permissions = [allow.look_at_builds(project_arns, repository_arns)]
            allow.DutyPolicy(scope, "ImagesPolicy", role=self.data_scientist, permissions=permissions)

    def allow_promotion(
        self,
        scope: Construct,
        function_arn: str,
        request_arns: Sequence[str],
        repository_arns: Sequence[str],
    ) -> None:
        """Lets operators ask for images of another environment, and both see these. scope: where the policies belong.

        request_arns: of the parameters into which they write what they ask for; the function decides.
        """
        look = allow.look_at_images(repository_arns)
        if self.platform_operator:
            permissions = [
                allow.allow(["lambda:InvokeFunction"], function_arn),
                allow.allow(["ssm:PutParameter"], *request_arns),
                look,
            ]
            allow.DutyPolicy(scope, "PromotionPolicy", role=self.platform_operator, permissions=permissions)
        if self.data_scientist:
            allow.DutyPolicy(scope, "PromotedImagesPolicy", role=self.data_scientist, permissions=[look])

    def allow_mirroring(self, scope: Construct, project_arn: str, models: s3.IBucket) -> None:
        """Lets operators bring the models of the settings, and see which are there. scope: where the policy belongs."""
        if self.platform_operator:
            permissions = [
                allow.run_builds([project_arn], variables=[MODELS_VARIABLE]),
                allow.look_at_builds([project_arn]),
                allow.list_objects(models, HUB_PREFIX),
            ]
            allow.DutyPolicy(scope, "MirrorPolicy", role=self.platform_operator, permissions=permissions)

    def _looking_on(self, *log_groups: str) -> list[allow.Permission]:
        endpoints = f"/aws/sagemaker/Endpoints/{self._environment}-*"
        return [
            allow.look_at_jobs(self, self._environment),
            allow.read_service_logs(
                self, "/aws/sagemaker/TrainingJobs", "/aws/sagemaker/ProcessingJobs", endpoints, *log_groups
            ),
            allow.read_parameters(self, f"hf-sagemaker/{self._environment}"),
        ]

    def _role(self, construct_id: str, principals: Sequence[str]) -> iam.Role:
        # Through the account and not by name: IAM refuses a trust policy with a principal that is not there, and the
        # roles of IAM Identity Center have generated names.
        account = iam.AccountPrincipal(place_of(self).account)
        return iam.Role(
            self,
            f"{construct_id}Role",
            assumed_by=account.with_conditions({"ArnLike": {"aws:PrincipalArn": list(principals)}}),
            description=f"People: {construct_id}",
        )
