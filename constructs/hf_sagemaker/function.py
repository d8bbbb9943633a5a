"""A Lambda function of this project: one package of the function source root, and what it shares with others."""

from collections.abc import Sequence
from pathlib import Path

from aws_cdk import Duration, IgnoreMode, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.compliance import acknowledge

_WAITED_FOR = (
    "Whoever calls it waits for its answer: a state machine, which catches a failure and tells people, or a "
    "deployment, which rolls back. So there is no event that a dead letter queue could keep, and control 69 refuses it "
    "events. "
)
_OUTSIDE_VPC = (
    "HIPAA.Security::HIPAA.Security-LambdaInsideVPC",
    "NIST.800.53.R5::NIST.800.53.R5-LambdaInsideVPC",
    "PCI.DSS.321::PCI.DSS.321-LambdaInsideVPC",
)
_DEAD_LETTERS = (
    "HIPAA.Security::HIPAA.Security-LambdaDLQ",
    "NIST.800.53.R5::NIST.800.53.R5-LambdaDLQ",
    "Serverless::Serverless-LambdaDLQ",
)


class PythonFunction(Construct):
    """`<package>/handler.py`'s `handle`, or another module's, on arm64, with a role and a log group of its own.

    function: the Lambda function. role: what it runs as.
    reason, rules: what reviews ask of it, and the answer.

    Only the standard library and boto3 are there: functions of this project carry no third-party code, so that nothing
    has to be bundled at synth.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        source_root: Path,
        package: str,
        module: str = "handler",
        description: str,
        key: kms.IKey,
        permissions: Sequence[allow.Permission] = (),
        shared: Sequence[str] = (),
        role: iam.Role | None = None,
        memory_size: int = 256,
        timeout: Duration | None = None,
        failures: sns.ITopic | None = None,
        acknowledged: bool = True,
        reserved_concurrency: int | None = 5,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates the function.

        source_root: folder that holds the package; a change of another package does not change this function.
        module: of the package, whose `handle` is called. Omitted: `handler`.
        key: encrypts its log group. It has no environment variables: what it needs to know comes with the event.
        permissions: what it may do besides writing its logs and traces. Omitted: nothing.
        shared: further packages of the source root that it imports. Omitted: none.
        role: assumed by it, where something that is deployed earlier has to name it. Omitted: one of its own.
        memory_size: MiB; 1769 are one processor. Omitted: 256.
        timeout: omitted: 30 seconds.
        failures: told what it was called with, when it is called by events and fails; `permissions` must let it
            publish. Omitted: whoever calls it waits for its answer.
        acknowledged: what reviews ask of it is acknowledged here. False: by whoever makes it: `reason` and `rules`.
        reserved_concurrency: executions at the same time that the account keeps for it, and the most that it gets.
            Omitted: 5. None: it shares what the account has left.
        removal_policy: of the log group. Omitted: logs are kept.
        """
        super().__init__(scope, construct_id)
        log_group = logs.LogGroup(
            self,
            "Logs",
            encryption_key=key,
            retention=logs.RetentionDays.ONE_MONTH,
            removal_policy=removal_policy,
        )
        self.role = role = role or iam.Role(
            self,
            "Role",
            assumed_by=allow.service_principal(self, "lambda.amazonaws.com"),
            description=description,
        )
        policy = allow.DutyPolicy(
            self,
            "Policy",
            role=role,
            permissions=[allow.function_telemetry(log_group), *permissions],
            acknowledged=False,
        )
        self.function = lambda_.Function(
            self,
            "Function",
            description=description,
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.ARM_64,
            handler=f"{package}.{module}.handle",
            code=lambda_.Code.from_asset(
                str(source_root),
                exclude=[
                    "*",
                    *(f"!{name}{end}" for name in (package, *shared) for end in ("", "/**")),
                    "**/__pycache__",
                ],
                ignore_mode=IgnoreMode.GIT,
            ),
            role=role.without_policy_updates(),
            log_group=log_group,
            tracing=lambda_.Tracing.ACTIVE,
            timeout=timeout or Duration.seconds(30),
            memory_size=memory_size,
            dead_letter_topic=failures,
            reserved_concurrent_executions=reserved_concurrency,
        )
        self.function.node.add_dependency(policy)
        is_waited_for = failures is None
        self.reason = (
            (_WAITED_FOR if is_waited_for else "")
            + "It is in no VPC because it talks to nothing but AWS's APIs, by TLS, in a role that names what it may "
            "do; nothing can open a connection to it. " + " ".join(dict.fromkeys(policy.wildcards.values()))
        )
        self.rules = [*policy.wildcards, *(_DEAD_LETTERS if is_waited_for else ()), *_OUTSIDE_VPC]
        if acknowledged:
            acknowledge(self, self.reason, *self.rules)
        if reserved_concurrency is None:
            acknowledge(
                self.function,
                "The environment's settings say functions.reserved_concurrency: null, for an account whose quota "
                "is too low to reserve any of it. Only the state machine and deployments call it, a few times a run.",
                "HIPAA.Security::HIPAA.Security-LambdaConcurrency",
                "HfSageMaker::Control-73",
                "NIST.800.53.R5::NIST.800.53.R5-LambdaConcurrency",
            )
