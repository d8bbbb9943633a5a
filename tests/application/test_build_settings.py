"""Where images are built, and where their packages come from: what settings may say, and what it becomes."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stacks.settings import EnvironmentSettings
from stacks.settings_files import SettingsError, load_environments

ROOT = Path(__file__).parents[2]
INDEX = "https://packages.example.com:8443/pypi/simple"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:index-AbCdEf"
KEY = "arn:aws:kms:us-east-1:999988887777:key/index"
DOMAIN = {"domain": "packages", "repository": "pypi", "owner": "999988887777"}
Templates = dict[str, dict[str, Any]]


def _dev(**changes: Any) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    return content | changes


def _load(folder: Path, **changes: Any) -> EnvironmentSettings:
    (folder / "dev.yaml").write_text(yaml.safe_dump(_dev(**changes)))
    return load_environments(folder)["dev"]


def _refusal(folder: Path, **changes: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        _load(folder, **changes)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_the_shipped_environments_say_that_builds_reach_the_internet(name: str) -> None:
    content = yaml.safe_load((ROOT / f"environments/{name}.yaml").read_text())
    assert content["builds"] == {"network": "internet"}


@pytest.mark.parametrize(
    ("builds", "inside"),
    [
        ({}, False),
        ({"network": "internet"}, False),
        ({"package_index": INDEX}, True),
        ({"package_index": INDEX, "network": "internet"}, False),
        ({"codeartifact": DOMAIN}, True),
        ({"codeartifact": {"domain": "packages", "repository": "pypi"}}, True),
    ],
)
def test_an_index_brings_builds_into_the_network(tmp_path: Path, builds: dict[str, Any], inside: bool) -> None:
    assert _load(tmp_path, builds=builds).builds.inside is inside


@pytest.mark.parametrize(
    ("network", "accepted"),
    [({"egress": "none"}, False), ({"egress": "mirror-only"}, False), ({"egress": "nat"}, True)],
)
def test_builds_inside_need_a_way_to_packages(tmp_path: Path, network: dict[str, Any], accepted: bool) -> None:
    changes = {"builds": {"network": "vpc"}, "network": _dev()["network"] | network}
    if accepted:
        assert _load(tmp_path, **changes).builds.inside
    else:
        problem = _refusal(tmp_path, **changes)
        assert "builds.network" in problem
        assert "builds.package_index or builds.codeartifact must name a package index" in problem


def test_debian_packages_inside_need_a_proxy(tmp_path: Path) -> None:
    images = _dev()["images"]
    images[0]["apt_packages"] = ["ffmpeg"]
    problem = _refusal(tmp_path, builds={"package_index": INDEX}, images=images)
    assert "images.0.apt_packages" in problem
    assert "builds.apt_proxy must name a proxy" in problem
    _load(tmp_path, builds={"package_index": INDEX, "apt_proxy": "https://apt.example.com"}, images=images)


@pytest.mark.parametrize(
    "address",
    [
        "https://builder:hunter2@packages.example.com/simple",
        "https://hunter2@packages.example.com/simple",
        'https://builder:a"/hunter2@packages.example.com/simple',
        "https://packages.example.com/simple?token=hunter2",
    ],
)
@pytest.mark.parametrize("field", ["package_index", "apt_proxy"])
def test_credentials_in_an_address_are_refused_and_not_repeated(tmp_path: Path, field: str, address: str) -> None:
    problem = _refusal(tmp_path, builds={field: address})
    assert f"builds.{field}" in problem
    assert "credentials belong into Secrets Manager" in problem
    assert "hunter2" not in problem


@pytest.mark.parametrize("address", ["http://packages.example.com", "packages.example.com", "https://", "https://a b/"])
def test_an_index_is_reached_by_https(tmp_path: Path, address: str) -> None:
    assert "must be an address such as https://" in _refusal(tmp_path, builds={"package_index": address})
    assert "hub.endpoint" in _refusal(tmp_path, hub={"endpoint": address})


@pytest.mark.parametrize(
    ("builds", "field"),
    [
        ({"package_index": INDEX, "codeartifact": DOMAIN}, "builds.package_index"),
        ({"package_index_secret_arn": SECRET}, "builds.package_index_secret_arn"),
        (
            {"package_index": INDEX, "package_index_secret_arn": SECRET.replace("us-east-1", "eu-west-1")},
            "builds.package_index_secret_arn",
        ),
        (
            {"package_index": INDEX, "package_index_secret_arn": SECRET.replace("123456789012", "999988887777")},
            "builds.package_index_secret_arn",
        ),
        ({"package_index": INDEX, "package_index_key_arn": KEY}, "builds.package_index_key_arn"),
        ({"codeartifact": DOMAIN | {"domain": "Not a name"}}, "builds.codeartifact.domain"),
    ],
)
def test_what_cannot_be_is_named(tmp_path: Path, builds: dict[str, Any], field: str) -> None:
    assert f": {field} is " in _refusal(tmp_path, builds=builds)


def test_announcements_are_heard_in_the_commercial_partition_only(tmp_path: Path) -> None:
    images = _dev()["images"][:1]
    images[0] |= {"rebuild": {"on_announcement": True}, "base": {"purpose": "training", "transformers": "4.56.2"}}
    gov = _dev(region="us-gov-west-1", images=images, roles={}, training={}, inference={})
    gov["network"] |= {"availability_zones": ["us-gov-west-1a", "us-gov-west-1b"]}
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, **gov)
    assert [p for p in caught.value.problems if "images.0.rebuild.on_announcement" in p and "the daily look stays" in p]


# --- what it becomes ---


@pytest.fixture(scope="module")
def inside(synthesise: Callable[[dict[str, dict[str, Any]]], Templates]) -> Templates:
    """dev with an index of the team's own, and with a repository of CodeArtifact."""
    own = {
        "package_index": INDEX,
        "package_index_secret_arn": SECRET,
        "package_index_key_arn": KEY,
        "apt_proxy": "https://apt.example.com",
    }
    return synthesise({"own": _dev(builds=own), "artifact": _dev(builds={"codeartifact": DOMAIN})})


def _of_type(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [r["Properties"] for r in template["Resources"].values() if r["Type"] == f"AWS::{kind}"]


def _statements(template: dict[str, Any], action: str) -> Iterator[dict[str, Any]]:
    for policy in _of_type(template, "IAM::ManagedPolicy"):
        for statement in policy["PolicyDocument"]["Statement"]:
            if action in statement["Action"] and "hf-sagemaker" not in json.dumps(statement["Resource"]):
                yield statement


def _variables(project: dict[str, Any]) -> dict[str, Any]:
    return {each["Name"]: each["Value"] for each in project["Environment"]["EnvironmentVariables"]}


def test_without_an_index_builds_are_in_no_vpc(templates: Templates) -> None:
    for project in _of_type(templates["dev-Images"], "CodeBuild::Project"):
        assert "VpcConfig" not in project
        assert not {"PACKAGE_INDEX", "APT_PROXY"} & set(_variables(project))


def test_builds_inside_have_the_private_subnets_and_a_group_of_their_own(inside: Templates) -> None:
    for project in _of_type(inside["own-Images"], "CodeBuild::Project"):
        assert "PrivateSubnet" in json.dumps(project["VpcConfig"]["Subnets"])
        assert "BuildSecurityGroup" in json.dumps(project["VpcConfig"]["SecurityGroupIds"])
    (group,) = [
        each
        for each in _of_type(inside["own-Network"], "EC2::SecurityGroup")
        if each["GroupDescription"] == "Builds of images"
    ]
    assert {rule["FromPort"] for rule in group["SecurityGroupEgress"]} == {443, 8443}
    assert "SecurityGroupIngress" not in group


def test_a_build_knows_the_index_and_where_its_credentials_are(inside: Templates) -> None:
    for project in _of_type(inside["own-Images"], "CodeBuild::Project"):
        variables = _variables(project)
        assert (variables["PACKAGE_INDEX"], variables["PACKAGE_INDEX_SECRET_ARN"]) == (INDEX, SECRET)
        assert variables["APT_PROXY"] == "https://apt.example.com"
    for project in _of_type(inside["artifact-Images"], "CodeBuild::Project"):
        host = "packages-999988887777.d.codeartifact.us-east-1.amazonaws.com"
        assert _variables(project)["PACKAGE_INDEX"] == f"https://{host}/pypi/pypi/simple/"


def test_an_index_does_not_change_what_is_built(inside: Templates, templates: Templates) -> None:
    tags = [
        sorted(_variables(project)["IMAGE_TAG"] for project in _of_type(found, "CodeBuild::Project"))
        for found in (templates["dev-Images"], inside["own-Images"], inside["artifact-Images"])
    ]
    assert tags[0] == tags[1] == tags[2]


def test_endpoints_are_there_for_what_builds_need_and_for_nothing_else(inside: Templates, templates: Templates) -> None:
    def services(template: dict[str, Any]) -> set[str]:
        names = (str(each["ServiceName"]) for each in _of_type(template, "EC2::VPCEndpoint"))
        return {name.split("us-east-1.", 1)[-1] for name in names}

    usual = services(templates["dev-Network"])
    assert services(inside["own-Network"]) - usual == {"ssm", "secretsmanager"}
    assert services(inside["artifact-Network"]) - usual == {"ssm", "codeartifact.api", "codeartifact.repositories"}


def test_through_the_network_images_are_pushed_to_this_environment_only(inside: Templates) -> None:
    (registry,) = [
        each
        for each in _of_type(inside["own-Network"], "EC2::VPCEndpoint")
        if str(each["ServiceName"]).endswith("ecr.api")
    ]
    statements = {each["Sid"]: each for each in registry["PolicyDocument"]["Statement"]}
    push = statements["PushImages"]
    assert push["Resource"] == "arn:aws:ecr:us-east-1:123456789012:repository/hf-sagemaker/own/*"
    assert push["Condition"]["StringEquals"]["aws:PrincipalAccount"] == "123456789012"
    assert "ecr:PutImage" not in statements["UseThisAccount"]["Action"]
    bases = statements["PullBaseImages"]
    assert all(":763104351884:repository/huggingface-pytorch-" in arn for arn in bases["Resource"])
    assert all(action.startswith(("ecr:Batch", "ecr:Get")) for action in bases["Action"])


def test_the_building_role_reads_one_secret_or_one_repository(inside: Templates) -> None:
    (secret,) = _statements(inside["own-Data"], "secretsmanager:GetSecretValue")
    assert secret["Resource"] == SECRET
    assert [each["Resource"] for each in _statements(inside["own-Data"], "kms:Decrypt") if each["Resource"] == KEY]
    (packages,) = _statements(inside["artifact-Data"], "codeartifact:ReadFromRepository")
    assert packages["Resource"] == "arn:aws:codeartifact:us-east-1:999988887777:repository/packages/pypi"
    (token,) = _statements(inside["artifact-Data"], "sts:GetServiceBearerToken")
    assert token["Condition"] == {"StringEquals": {"sts:AWSServiceName": "codeartifact.amazonaws.com"}}


def test_codebuild_alone_gets_interfaces_of_the_building_role_in_these_subnets(inside: Templates) -> None:
    found = [
        each for each in _statements(inside["own-Data"], "ec2:CreateNetworkInterfacePermission") if "Condition" in each
    ]
    (permission,) = found
    assert permission["Condition"]["StringEquals"] == {"ec2:AuthorizedService": "codebuild.amazonaws.com"}
    assert "PrivateSubnet" in json.dumps(permission["Condition"]["ArnEquals"]["ec2:Subnet"])


def test_builds_inside_reach_buckets_by_the_networks_endpoint_only(inside: Templates, templates: Templates) -> None:
    def held(template: dict[str, Any]) -> bool:
        policies = json.dumps(_of_type(template, "S3::BucketPolicy"))
        return "BuildingRole" in policies

    assert held(inside["own-Data"])
    assert not held(templates["dev-Data"])


def test_the_boundary_lets_builds_have_their_packages(inside: Templates) -> None:
    artifact = json.dumps(_of_type(inside["artifact-Guardrails"], "IAM::ManagedPolicy"))
    assert "codeartifact:ReadFromRepository" in artifact
    assert "arn:aws:codeartifact:us-east-1:999988887777:*" in artifact
    own = json.dumps(_of_type(inside["own-Guardrails"], "IAM::ManagedPolicy"))
    assert SECRET in own
    assert KEY in own
