"""The CodeBuild project of what alone may leave: it brings something from outside into the models bucket."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.compliance import acknowledge
from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.placement import Placement


@dataclass(frozen=True, kw_only=True)
class FetchingBuild:
    """What a build that brings something does.

    description: for people. source: its code. variables: of its environment; no secrets, only where they lie.
    specification: its commands. compute_type: how large the machine is.
    timeout, queued_timeout: how long it may run, and wait.
    """

    description: str
    source: assets.Asset
    variables: Mapping[str, str]
    specification: Mapping[str, Any]
    compute_type: codebuild.ComputeType
    timeout: Duration
    queued_timeout: Duration

    def project(
        self,
        scope: Construct,
        *,
        keys: EnvironmentKeys,
        role: iam.Role,
        placement: Placement | None,
        removal_policy: RemovalPolicy,
    ) -> codebuild.Project:
        """Creates the project in `scope`, with its log group and its policy.

        role: assumed by it; log and source access are added here. placement: where it runs; None: outside every VPC.
        removal_policy: of the logs.
        """
        log_group = logs.LogGroup(
            scope,
            "Logs",
            encryption_key=keys.logs,
            retention=logs.RetentionDays.ONE_YEAR,
            removal_policy=removal_policy,
        )
        bucket, key = self.source.bucket, self.source.s3_object_key
        access = allow.DutyPolicy(
            scope,
            "Policy",
            role=role,
            permissions=[
                allow.allow(["s3:GetObject", "s3:GetObjectVersion"], bucket.arn_for_objects(key)),
                allow.allow(["s3:GetBucketAcl", "s3:GetBucketLocation"], bucket.bucket_arn),
                allow.write_build_logs(log_group),
            ],
        )
        project = codebuild.Project(
            scope,
            "Project",
            description=self.description,
            role=role.without_policy_updates(),
            source=codebuild.Source.s3(bucket=bucket, path=key),
            environment=codebuild.BuildEnvironment(
                build_image=codebuild.LinuxBuildImage.AMAZON_LINUX_2023_5, compute_type=self.compute_type
            ),
            environment_variables={
                name: codebuild.BuildEnvironmentVariable(value=value) for name, value in self.variables.items()
            },
            encryption_key=kms.Key.from_key_arn(scope, "Key", keys.images.key_arn),
            logging=codebuild.LoggingOptions(cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=log_group)),
            timeout=self.timeout,
            queued_timeout=self.queued_timeout,
            build_spec=codebuild.BuildSpec.from_object(dict(self.specification)),
        )
        project.node.add_dependency(access)
        if placement:
            placement.apply_to(project)
        acknowledge(
            project,
            "Its source is an archive in S3, read in its own role: the rule on OAuth is for GitHub and Bitbucket, and "
            "asks every project.",
            "HIPAA.Security::HIPAA.Security-CodeBuildProjectSourceRepoUrl",
            "PCI.DSS.321::PCI.DSS.321-CodeBuildProjectSourceRepoUrl",
        )
        return project
