"""What a security team would look up in the accounts, once every kind of environment is deployed by the real CLI.

One embedded AWS and one `cdk deploy` for all of tests/environments, in two accounts and the organisation's.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.local.embedded_aws import start_localcloud
from tests.local.foundation import MANAGEMENT_ACCOUNT, SETTINGS, Foundation, deploy

ENVIRONMENTS = sorted(file.stem for file in SETTINGS.glob("*.yaml") if file.stem != "organization")
OWN_NETWORK = ["boundary", "mirror-only", "nat", "no-nat", "own-vpc"]
ANYWHERE = "0.0.0.0/0"
LAYERS = "arn:aws:s3:::prod-us-east-1-starport-layer-bucket/*"


@pytest.fixture(scope="module")
def foundation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foundation]:
    folder = tmp_path_factory.mktemp("foundation")
    running = start_localcloud(folder / "cloud")
    yield deploy(running, folder / "app")
    running.stop()


def job_network(foundation: Foundation, environment: str) -> tuple[set[str], set[str]]:
    """Subnets and security groups that the state machine gives to a training job."""
    states = foundation.client(environment, "stepfunctions")
    (machine,) = foundation.resources(environment, "Training", "AWS::StepFunctions::StateMachine").values()
    definition = states.describe_state_machine(stateMachineArn=machine)["definition"]
    return set(re.findall(r"subnet-[0-9a-f]+", definition)), set(re.findall(r"\bsg-[0-9a-f]+", definition))


def ways_out(foundation: Foundation, environment: str, subnets: set[str]) -> list[str]:
    """What the routes of these subnets to anywhere lead to: `nat-…`, `igw-…`; one for each subnet that has any."""
    ec2 = foundation.client(environment, "ec2")
    tables = ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": sorted(subnets)}])
    associated = [each["SubnetId"] for table in tables["RouteTables"] for each in table["Associations"]]
    assert subnets <= set(associated), "a subnet without a route table of its own has the VPC's main one"
    return [
        str(route.get("NatGatewayId") or route.get("GatewayId"))
        for table in tables["RouteTables"]
        for route in table["Routes"]
        if route.get("DestinationCidrBlock") == ANYWHERE
    ]


def endpoints(foundation: Foundation, environment: str) -> list[dict[str, Any]]:
    ids = sorted(foundation.resources(environment, "Network", "AWS::EC2::VPCEndpoint").values())
    if not ids:
        return []
    found: list[dict[str, Any]] = foundation.client(environment, "ec2").describe_vpc_endpoints(VpcEndpointIds=ids)[
        "VpcEndpoints"
    ]
    return found


def buckets(foundation: Foundation, environment: str) -> dict[str, str]:
    """Names of the environment's buckets: `data`, `models`, `checkpoints`, `builds`, `accesslogs`."""
    found = foundation.resources(environment, "Data", "AWS::S3::Bucket")
    return {re.sub(r"[0-9A-F]{8}$", "", logical).lower(): name for logical, name in found.items()}


def bucket_statements(foundation: Foundation, environment: str, bucket: str) -> list[dict[str, Any]]:
    policy = foundation.client(environment, "s3").get_bucket_policy(Bucket=bucket)["Policy"]
    statements: list[dict[str, Any]] = json.loads(policy)["Statement"]
    return statements


def test_every_stack_is_there_and_no_setting_of_it_was_left_out(foundation: Foundation) -> None:
    accounts = {foundation.settings[name]["account"] for name in ENVIRONMENTS} | {MANAGEMENT_ACCOUNT}
    for account in accounts:
        cloudformation = foundation.running.client("cloudformation", account)
        for stack in cloudformation.describe_stacks()["Stacks"]:
            assert stack["StackStatus"] == "CREATE_COMPLETE", stack["StackName"]
            events = cloudformation.describe_stack_events(StackName=stack["StackName"])["StackEvents"]
            assert not [e for e in events if "does not apply" in e.get("ResourceStatusReason", "")]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_endpoints_admit_only_whom_the_settings_name(foundation: Foundation, environment: str) -> None:
    account = foundation.settings[environment]["account"]
    organization = foundation.settings[environment]["network"].get("organization_id")
    whose = {"aws:PrincipalOrgID": organization} if organization else {"aws:PrincipalAccount": account}
    for endpoint in endpoints(foundation, environment):
        for statement in json.loads(endpoint["PolicyDocument"])["Statement"]:
            if statement["Resource"] != LAYERS:
                equal = statement["Condition"]["StringEquals"]
                assert whose.items() <= equal.items(), endpoint["ServiceName"]
            # And never any action, which an endpoint without a policy admits
            assert "*" not in statement["Action"]


@pytest.mark.parametrize("environment", OWN_NETWORK)
def test_the_default_security_group_is_closed(foundation: Foundation, environment: str) -> None:
    (vpc,) = foundation.resources(environment, "Network", "AWS::EC2::VPC").values()
    (group,) = foundation.client(environment, "ec2").describe_security_groups(
        Filters=[{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    )["SecurityGroups"]
    assert group["IpPermissions"] == []
    assert group["IpPermissionsEgress"] == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_no_group_of_a_job_lets_the_internet_in(foundation: Foundation, environment: str) -> None:
    _, groups = job_network(foundation, environment)
    found = foundation.client(environment, "ec2").describe_security_groups(GroupIds=sorted(groups))["SecurityGroups"]
    sources = [ip["CidrIp"] for group in found for rule in group["IpPermissions"] for ip in rule["IpRanges"]]
    assert ANYWHERE not in sources


@pytest.mark.parametrize("environment", ["boundary", "no-nat", "own-vpc"])
def test_without_egress_there_is_no_gateway_at_all(foundation: Foundation, environment: str) -> None:
    assert not foundation.all_of(environment, "AWS::EC2::InternetGateway")
    assert not foundation.all_of(environment, "AWS::EC2::NatGateway")
    assert ways_out(foundation, environment, job_network(foundation, environment)[0]) == []


def test_with_nat_jobs_leave_by_a_gateway_in_their_zone(foundation: Foundation) -> None:
    subnets, _ = job_network(foundation, "nat")
    gateways = set(foundation.resources("nat", "Network", "AWS::EC2::NatGateway").values())
    assert set(ways_out(foundation, "nat", subnets)) == gateways
    assert len(gateways) == len(subnets)


def test_mirror_only_lets_no_job_leave(foundation: Foundation) -> None:
    subnets, _ = job_network(foundation, "mirror-only")
    assert ways_out(foundation, "mirror-only", subnets) == []
    # And the subnets that may leave hold no job
    ec2 = foundation.client("mirror-only", "ec2")
    own = set(foundation.resources("mirror-only", "Network", "AWS::EC2::Subnet").values())
    leaving = {
        subnet for subnet in own if any(way.startswith("nat-") for way in ways_out(foundation, "mirror-only", {subnet}))
    }
    assert leaving
    assert not leaving & subnets
    assert not any(s["MapPublicIpOnLaunch"] for s in ec2.describe_subnets(SubnetIds=sorted(own))["Subnets"])


def test_the_teams_vpc_is_used_as_it_is(foundation: Foundation) -> None:
    for environment in ("team-vpc", "foreign-key"):
        team = foundation.settings[environment]["network"]["vpc"]
        for type_name in ("AWS::EC2::VPC", "AWS::EC2::Subnet", "AWS::EC2::RouteTable", "AWS::EC2::Route"):
            assert not foundation.all_of(environment, type_name)
        assert job_network(foundation, environment)[0] == set(team["subnet_ids"])
    # Endpoints that the team shares are not made again, and its groups are used
    assert endpoints(foundation, "foreign-key") == []
    groups = foundation.settings["foreign-key"]["network"]["vpc"]["job_security_group_ids"]
    assert job_network(foundation, "foreign-key")[1] == set(groups)
    assert {endpoint["VpcId"] for endpoint in endpoints(foundation, "team-vpc")} == {
        foundation.settings["team-vpc"]["network"]["vpc"]["vpc_id"]
    }


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_traffic_is_logged_under_a_key(foundation: Foundation, environment: str) -> None:
    ec2, logs = foundation.client(environment, "ec2"), foundation.client(environment, "logs")
    flows = sorted(foundation.resources(environment, "Network", "AWS::EC2::FlowLog").values())
    assert flows
    for flow in ec2.describe_flow_logs(FlowLogIds=flows)["FlowLogs"]:
        assert (flow["TrafficType"], flow["DeliverLogsStatus"]) == ("ALL", "SUCCESS")
        assert ":role/" in flow["DeliverLogsPermissionArn"]
        (group,) = logs.describe_log_groups(logGroupNamePrefix=flow["LogGroupName"])["logGroups"]
        assert group["kmsKeyId"].startswith("arn:aws:kms:")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_role_has_the_path_and_the_boundary_of_the_settings(foundation: Foundation, environment: str) -> None:
    wanted = foundation.settings[environment].get("roles", {})
    choice, path = wanted.get("permissions_boundary", "environment"), wanted.get("path", "/")
    own = foundation.resources(environment, "Guardrails", "AWS::IAM::ManagedPolicy").values()
    iam = foundation.client(environment, "iam")
    for logical, name in foundation.all_of(environment, "AWS::IAM::Role").items():
        role = iam.get_role(RoleName=name)["Role"]
        assert role["Path"] == path
        boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        if choice == "none" or logical.startswith("Guardrails."):
            assert boundary is None
        elif choice == "environment":
            assert boundary in own
        else:
            assert boundary == choice


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_no_service_is_trusted_for_another_account(foundation: Foundation, environment: str) -> None:
    iam, account = foundation.client(environment, "iam"), foundation.settings[environment]["account"]
    for logical, name in foundation.all_of(environment, "AWS::IAM::Role").items():
        for statement in iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]["Statement"]:
            if "Service" in statement["Principal"]:
                assert statement["Condition"]["StringEquals"]["aws:SourceAccount"] == account, logical


def test_public_notebooks_find_the_role_that_they_expect(foundation: Foundation) -> None:
    role = foundation.client("boundary", "iam").get_role(RoleName="sagemaker_execution_role")["Role"]
    assert role["Arn"] == "arn:aws:iam::210987654321:role/machine-learning/sagemaker_execution_role"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_buckets_are_closed_and_encrypted_with_the_settings_key(foundation: Foundation, environment: str) -> None:
    s3, teams = foundation.client(environment, "s3"), foundation.settings[environment].get("keys", {})
    classes = {"data": "data", "models": "models", "checkpoints": "models", "accesslogs": "logs", "builds": "images"}
    assert buckets(foundation, environment).keys() == classes.keys()
    for bucket, name in buckets(foundation, environment).items():
        rule = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"][0]
        key = rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]
        if teams:
            assert key == teams[classes[bucket]]
        else:
            kms = foundation.client(environment, "kms")
            assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
        assert all(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values())
        ownership = s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"][0]
        assert ownership["ObjectOwnership"] == "BucketOwnerEnforced"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_jobs_reach_buckets_only_through_the_s3_endpoint(foundation: Foundation, environment: str) -> None:
    team = foundation.settings[environment]["network"].get("vpc", {})
    gateways = [e["VpcEndpointId"] for e in endpoints(foundation, environment) if e["VpcEndpointType"] == "Gateway"]
    (endpoint,) = gateways or [team["s3_endpoint_id"]]
    (training,) = [
        name
        for logical, name in foundation.resources(environment, "Data", "AWS::IAM::Role").items()
        if logical.startswith("RolesTraining")
    ]
    for bucket in ("data", "models", "checkpoints"):
        statements = bucket_statements(foundation, environment, buckets(foundation, environment)[bucket])
        (elsewhere,) = [s for s in statements if "aws:SourceVpce" in json.dumps(s)]
        assert elsewhere["Effect"] == "Deny"
        assert endpoint in json.dumps(elsewhere["Condition"])
        assert f"role/{training}" in json.dumps(elsewhere["Condition"]).replace("/machine-learning/", "/")
        # And it names those roles only: neither CloudFormation nor a deployer is locked out
        assert "aws:PrincipalArn" in json.dumps(elsewhere["Condition"])


def test_everything_that_is_stored_is_under_the_teams_keys(foundation: Foundation) -> None:
    keys = foundation.settings["foreign-key"]["keys"]
    assert not foundation.all_of("foreign-key", "AWS::KMS::Key")
    logs, sns = foundation.client("foreign-key", "logs"), foundation.client("foreign-key", "sns")
    for name in foundation.all_of("foreign-key", "AWS::Logs::LogGroup").values():
        assert logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]["kmsKeyId"] == keys["logs"]
    for topic in foundation.all_of("foreign-key", "AWS::SNS::Topic").values():
        assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["KmsMasterKeyId"] == keys["operations"]
    for machine in foundation.all_of("foreign-key", "AWS::StepFunctions::StateMachine").values():
        states = foundation.client("foreign-key", "stepfunctions")
        described = states.describe_state_machine(stateMachineArn=machine)
        assert described["encryptionConfiguration"]["kmsKeyId"] == keys["operations"]
    for function in foundation.all_of("foreign-key", "AWS::Lambda::Function").values():
        configuration = foundation.client("foreign-key", "lambda").get_function_configuration(FunctionName=function)
        assert "Environment" not in configuration or configuration["KMSKeyArn"] == keys["operations"]
    for name in foundation.all_of("foreign-key", "AWS::ECR::Repository").values():
        repositories = foundation.client("foreign-key", "ecr").describe_repositories(repositoryNames=[name])
        assert repositories["repositories"][0]["encryptionConfiguration"]["kmsKey"] == keys["images"]
    for name in foundation.all_of("foreign-key", "AWS::CodeBuild::Project").values():
        (project,) = foundation.client("foreign-key", "codebuild").batch_get_projects(names=[name])["projects"]
        assert project["encryptionKey"] == keys["images"]


def test_models_can_be_locked_and_copied(foundation: Foundation) -> None:
    s3, name = foundation.client("boundary", "s3"), buckets(foundation, "boundary")["models"]
    wanted = foundation.settings["boundary"]["data"]
    lock = s3.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"]
    assert lock["Rule"]["DefaultRetention"]["Mode"] == "GOVERNANCE"
    assert lock["Rule"]["DefaultRetention"]["Days"] == wanted["object_lock_days"]
    (rule,) = s3.get_bucket_replication(Bucket=name)["ReplicationConfiguration"]["Rules"]
    assert rule["Destination"]["Account"] == wanted["replication"]["account"]
    assert rule["Destination"]["EncryptionConfiguration"] == {"ReplicaKmsKeyID": wanted["replication"]["key_arn"]}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_organisation_guards_every_account(foundation: Foundation, environment: str) -> None:
    organizations = foundation.running.client("organizations", MANAGEMENT_ACCOUNT)
    account = foundation.settings[environment]["account"]
    attached = organizations.list_policies_for_target(TargetId=account, Filter="SERVICE_CONTROL_POLICY")["Policies"]
    (policy,) = [each for each in attached if each["Name"] == f"hf-sagemaker-{account}"]
    content = organizations.describe_policy(PolicyId=policy["Id"])["Policy"]["Content"]
    statements = json.loads(content)["Statement"]
    assert {statement["Effect"] for statement in statements} == {"Deny"}
    assert "kms:ScheduleKeyDeletion" in content
