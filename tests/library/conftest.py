"""A stack to put one construct into, with what the construct takes."""

import json
from pathlib import Path

import pytest
from aws_cdk import App, Environment, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from hf_sagemaker.buckets import EnvironmentBuckets
from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.placement import Placement

ROOT = Path(__file__).parents[2]


class Surroundings(Stack):
    """A stack in one account and region, with keys, a network, buckets and a role of a team's own."""

    def __init__(self) -> None:
        context = json.loads((ROOT / "cdk.json").read_text())["context"]
        app = App(context=context, builtin_cloud_formation_validation=False)
        super().__init__(app, "Stack", env=Environment(account="123456789012", region="us-east-1"))
        self.key = kms.Key.from_key_arn(self, "TeamKey", f"arn:aws:kms:us-east-1:{self.account}:key/team")
        self.bucket = s3.Bucket.from_bucket_name(self, "TeamBucket", "team-bucket")
        self.keys = EnvironmentKeys(
            **{name: self._team_key(name) for name in ("data", "models", "images", "logs", "operations")}
        )
        self.buckets = EnvironmentBuckets(
            **{
                name: s3.Bucket.from_bucket_name(self, name, name)
                for name in ("data", "models", "checkpoints", "builds")
            }
        )
        self.role = iam.Role.from_role_arn(self, "TeamRole", f"arn:aws:iam::{self.account}:role/team", mutable=False)
        team_vpc = ec2.Vpc.from_vpc_attributes(
            self,
            "TeamVpc",
            vpc_id="vpc-1",
            availability_zones=["us-east-1a", "us-east-1b"],
            isolated_subnet_ids=["subnet-1", "subnet-2"],
        )
        group = ec2.SecurityGroup.from_security_group_id(self, "TeamGroup", "sg-1", mutable=False)
        self.placement = Placement(vpc=team_vpc, subnets=team_vpc.isolated_subnets, security_groups=[group])

    def _team_key(self, name: str) -> kms.IKey:
        return kms.Key.from_key_arn(self, f"{name}-key", f"arn:aws:kms:us-east-1:{self.account}:key/{name}")

    @property
    def availability_zones(self) -> list[str]:
        return ["us-east-1a", "us-east-1b", "us-east-1c"]


@pytest.fixture
def stack() -> Surroundings:
    return Surroundings()


@pytest.fixture
def new_stack() -> type[Surroundings]:
    """Makes one stack more with each call, for tests that compare."""
    return Surroundings
