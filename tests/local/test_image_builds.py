"""Image builds as they are deployed: the same build specification, with small Dockerfiles, on the embedded AWS."""

import json
from typing import Any

import pytest
from aws_cdk import App, CfnOutput, Environment, Stack
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Template

from hf_sagemaker.build_failures import BuildFailures
from hfsm.cloud import Cloud, Parameters
from hfsm.images import build_images, follow_images
from tests.local.built_image import DOCKERFILE, SOURCE, Built, built_image, inbox_of
from tests.local.compute_projects import REGISTRY, Projects, until
from tests.local.embedded_aws import Stacks


@pytest.fixture(scope="module")
def projects(localcloud: Any) -> Projects:
    return Projects(localcloud)


@pytest.fixture
def image(localcloud: Any, projects: Projects) -> Built:
    return built_image(localcloud, projects)


def test_a_build_writes_down_the_digest_that_it_pushed(image: Built) -> None:
    record = image.build()
    assert record["buildStatus"] == "SUCCEEDED", image.log(record)
    (pushed,) = image.pushed()
    assert image.digest().endswith(f"/tests/{image.name}@{pushed['imageDigest']}")
    assert pushed["imageTags"][0].startswith("inputs-")


def test_the_same_inputs_are_not_built_again(image: Built) -> None:
    # Given an image that is built, and a parameter that somebody lost
    image.build()
    built = image.digest()
    image.running.client("ssm").put_parameter(Name=f"{image.parameter}/digest", Value="none", Overwrite=True)
    # When it is built once more
    record = image.build()
    # Then nothing is built, and the parameter is as before
    assert "is there already: nothing to build" in image.log(record)
    assert "docker build" not in [line for line in image.log(record).splitlines() if line.startswith("#")]
    assert len(image.pushed()) == 1
    assert image.digest() == built


def test_changed_inputs_give_another_digest_and_keep_the_old_image(image: Built) -> None:
    image.build()
    before = image.digest()
    image.projects.put_source(image.name, SOURCE | {"a.txt": "b"})
    image.deploy("others")
    assert image.build(IMAGE_TAG="others")["buildStatus"] == "SUCCEEDED"
    assert image.digest() != before
    assert len(image.pushed()) == 2


def test_an_image_that_the_settings_have_left_behind_is_not_used(image: Built) -> None:
    # Given a build that began before a deployment changed what goes into the image
    image.deploy("others")
    # When it ends
    record = image.build()
    # Then the environment goes on with what it has, until the build of the new inputs has ended
    assert record["buildStatus"] == "SUCCEEDED", image.log(record)
    assert ":others by now, so the environment does not use" in image.log(record)
    assert image.digest() == "none"


def test_a_moved_base_gives_another_image_of_the_same_inputs(image: Built) -> None:
    # Given an image on a base
    image.build()
    before = image.digest()
    # When the base's tag moves, and the image is built again
    image.move_base()
    record = image.build()
    # Then it is another image, under a tag of its own
    assert record["buildStatus"] == "SUCCEEDED", image.log(record)
    assert image.digest() != before
    tags = {tag for pushed in image.pushed() for tag in pushed["imageTags"]}
    assert len(tags) == 2


def test_a_failed_build_leaves_the_digest_in_place(image: Built) -> None:
    image.build()
    before = image.digest()
    image.projects.put_source(image.name, SOURCE | {"Dockerfile": DOCKERFILE + "RUN make\n"})
    image.deploy("broken")
    assert image.build(IMAGE_TAG="broken")["buildStatus"] == "FAILED"
    assert image.digest() == before


def test_a_base_that_is_gone_is_named(image: Built) -> None:
    record = image.build(BASE_IMAGE=f"{REGISTRY}/no-such-image:1")
    assert record["buildStatus"] == "FAILED"
    assert f"The base {REGISTRY}/no-such-image:1 is not there any more" in image.log(record)
    assert image.digest() == "none"


def test_packages_that_do_not_fit_together_are_not_pushed(image: Built) -> None:
    # Given a package that needs another, which is not there
    lacking = "RUN pip install --no-deps cfn-lint==1.40.0\n"
    image.projects.put_source(image.name, SOURCE | {"Dockerfile": DOCKERFILE + lacking})
    # When it is built, then what is missing is named; what the base lacks itself is not held against it
    record = image.build()
    assert record["buildStatus"] == "FAILED"
    assert "cfn-lint 1.40.0 requires" in image.log(record)
    assert "do not fit together" in image.log(record)
    assert image.pushed() == []


def test_the_bill_of_materials_of_an_image_lies_under_its_digest(image: Built) -> None:
    record = image.build()
    assert record["buildStatus"] == "SUCCEEDED", image.log(record)
    digest = image.digest().partition("@sha256:")[2]
    key = f"bills-of-materials/tests/{image.name}/sha256-{digest}.json"
    bill = json.load(image.projects.s3.get_object(Bucket=image.projects.bucket, Key=key)["Body"])
    assert bill["bomFormat"] == "CycloneDX"
    assert "torch" in [component["name"] for component in bill["components"]]


def test_an_image_that_fails_its_check_is_not_pushed_and_people_are_told(image: Built, stacks: Stacks) -> None:
    # Given the rule as it is deployed, on this project, and somebody who listens
    template = failures_template(image.name)
    stacks.create(f"failures-{image.name}", template)
    topic, inbox = stacks.outputs(f"failures-{image.name}")["Topic"], inbox_of(image.running)
    image.running.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=inbox.arn)
    # When one build succeeds, and the image of another fails its check
    image.build()
    before = image.digest()
    failing = "import sys\nsys.exit('the entry point does not load')"
    image.projects.put_source(image.name, SOURCE | {"a.txt": "b", "image_checks/training.py": failing})
    image.deploy("failing")
    record = image.build(IMAGE_TAG="failing")
    # Then it says why, nothing is pushed, and the image in use stays
    assert "the entry point does not load" in image.log(record)
    assert len(image.pushed()) == 1
    assert image.digest() == before
    # And the failure is told, with the log where it is explained, and nothing else is
    (message,) = until(inbox.messages, bool)
    assert f"The build of project {image.name} ended as FAILED" in message
    assert "goes on with the one from before" in message
    assert inbox.messages() == []


def test_a_build_that_a_deployment_has_started_is_followed(image: Built) -> None:
    # Given an environment whose only image is being built
    environment, ssm = f"env-{image.name}", image.running.client("ssm")
    said = {
        "project": image.name,
        "uri": f"{image.repository_uri}:inputs",
        "digest": f"{image.repository_uri}@sha256:1",
    }
    for name, value in said.items():
        ssm.put_parameter(Name=f"/hf-sagemaker/{environment}/images/it/{name}", Value=value, Type="String")
    image.look()
    # When an operator builds it, then its build is followed, and only a build that has ended is none to follow
    lines: list[str] = []
    parameters = Parameters(Cloud(endpoint_url=image.running.endpoint_url, local=True), environment)
    (built,) = build_images(parameters, lambda line, _: lines.append(line))
    assert (built.name, image.builds()) == ("it", 1)
    assert "a build of it runs already" in lines
    (followed,) = follow_images(parameters, lambda line, _: None)
    assert (followed.seconds, image.builds()) == (built.seconds, 1)


def failures_template(project: str) -> str:
    """What `BuildFailures` makes for one project."""
    app = App(builtin_cloud_formation_validation=False)
    stack = Stack(app, "Stack", env=Environment(account="123456789012", region="us-east-1"))
    key = kms.Key.from_key_arn(stack, "Key", "arn:aws:kms:us-east-1:123456789012:key/operations")
    projects = [codebuild.Project.from_project_name(stack, "Project", project)]
    failures = BuildFailures(stack, "Failures", projects=projects, key=key)
    CfnOutput(stack, "Topic", value=failures.topic.topic_arn)
    template = Template.from_stack(stack).to_json()
    for part in ("Parameters", "Rules"):  # of the CDK's bootstrap
        template.pop(part, None)
    return json.dumps(template)
