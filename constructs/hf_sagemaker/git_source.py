"""Training code from Git: a build brings one commit into the models bucket, since a job has no network."""

from collections.abc import Sequence
from pathlib import Path

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as assets
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.fetching_build import FetchingBuild
from hf_sagemaker.place import place_of
from hf_sagemaker.placement import Placement

VARIABLES = ("CODE_ARCHIVE", "CODE_BRANCH", "CODE_COMMIT", "CODE_ENTRY_POINT", "CODE_FOLDER", "CODE_REPOSITORY")
"""What a run tells the build, see `validate_training_request.git_code`."""
_CODE = Path(__file__).with_name("runtime") / "git"
_QUEUE_MINUTES, _BUILD_MINUTES = 60, 20
CODE = "$.code.exported"
"""Where a run has what the build exports, after `BringCode`."""
_BUILD = {
    "version": "0.2",
    "env": {"shell": "bash", "exported-variables": ["CODE_RESOLVED", "CODE_PROBLEM"]},
    "phases": {
        "install": {"runtime-versions": {"python": "3.12"}},
        "build": {
            "commands": [
                "python3 bring_code.py",
                'export CODE_RESOLVED="$(cat commit)" CODE_PROBLEM="$(cat problem)"',
            ]
        },
    },
}


class GitSource(Construct):
    """The build project that brings code from Git to `git/` in the models bucket.

    project: started by training workflows, with VARIABLES. A commit that is there is not brought again.

    Its role reads the token when the build runs: the token is in no variable, template or log.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        allowed_repositories: Sequence[str],
        bucket: s3.IBucket,
        keys: EnvironmentKeys,
        role: iam.Role,
        placement: Placement | None = None,
        token_secret_arn: str | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates the project.

        allowed_repositories: patterns of addresses, in which `*` is any text: nothing else is cloned.
        bucket: the models bucket, into which the role may write below `git/`.
        role: assumed by the build. Log and source access are added here.
        placement: where it runs; must have a way to the repositories. Omitted: outside every VPC, where it reaches the
            internet and, of this account, what its role may.
        token_secret_arn: the secret with the token, or `user:token`, as plain text, which the role may read. Omitted:
            public repositories only.
        removal_policy: of the logs. Omitted: they are kept.
        """
        super().__init__(scope, construct_id)
        variables = {"MODELS_BUCKET": bucket.bucket_name, "ALLOWED_REPOSITORIES": " ".join(allowed_repositories)}
        if token_secret_arn:
            variables["GIT_SECRET_ARN"] = token_secret_arn
        build = FetchingBuild(
            description="Brings training code from Git into the models bucket",
            source=assets.Asset(self, "Source", path=str(_CODE), exclude=["__pycache__"]),
            variables=variables,
            specification=_BUILD,
            compute_type=codebuild.ComputeType.SMALL,
            timeout=Duration.minutes(_BUILD_MINUTES),
            queued_timeout=Duration.minutes(_QUEUE_MINUTES),
        )
        self.project = build.project(self, keys=keys, role=role, placement=placement, removal_policy=removal_policy)


class BringCode(Construct):
    """A state that has the code of a run brought, before another that makes its job again with the commit.

    start: the state, for a run whose `$.job` has `fetch_code`. What the build exports lies at `CODE` then.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, source: GitSource, trouble: sfn.IChainable, then: sfn.IChainable
    ) -> None:
        """Creates the state. trouble: where an error goes that lies at `$.failure`. then: what comes next."""
        super().__init__(scope, construct_id)
        self.start = sfn.CustomState(
            self,
            "BringCode",
            state_json={
                "Type": "Task",
                "Resource": f"arn:{place_of(self).partition}:states:::codebuild:startBuild.sync",
                "Parameters": {
                    "ProjectName": source.project.project_name,
                    "EnvironmentVariablesOverride.$": "$.job.fetch_code",
                },
                "ResultSelector": {"exported.$": "$.Build.ExportedEnvironmentVariables"},
                "ResultPath": "$.code",
                # In the queue, and then at work, for as long as the project says at most.
                "TimeoutSeconds": 60 * (_QUEUE_MINUTES + _BUILD_MINUTES + 10),
                "Retry": [
                    {
                        # Throttling, or a build that did not reach a server: what is wrong with the request is no
                        # failure of the build.
                        "ErrorEquals": ["States.TaskFailed"],
                        "IntervalSeconds": 5,
                        "BackoffRate": 2,
                        "MaxAttempts": 4,
                        "MaxDelaySeconds": 120,
                        "JitterStrategy": "FULL",
                    }
                ],
            },
        )
        self.start.add_catch(trouble, result_path="$.failure")
        self.start.next(then)


def bring_code(source: GitSource) -> list[allow.Permission]:
    """What the state machine's role needs for `BringCode`."""
    project = source.project.project_arn
    rule = place_of(source).arn("events", "rule/StepFunctionsGetEventForCodeBuildStartBuildRule")
    return [
        allow.run_builds([project], VARIABLES),
        allow.allow(["codebuild:BatchGetBuilds"], project),
        allow.allow(["events:DescribeRule", "events:PutRule", "events:PutTargets"], rule),
    ]
