"""What fits together: every row of the table has a test that sees its message, and one in which all is well."""

from dataclasses import replace
from typing import Any

import pytest
from aws_cdk import aws_ecr as ecr
from aws_cdk.assertions import Match, Template

from hf_sagemaker import compatibility, dlc_catalog
from hf_sagemaker.compatibility import IncompatibleError
from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.endpoint import HuggingFaceEndpoint
from hf_sagemaker.image_extension import ImageExtension
from hf_sagemaker.instance_types import Use, instance_type
from hf_sagemaker.model_source import ModelSource
from hf_sagemaker.serving import Serving


def _dlc(purpose: Any, transformers: str, processor: Any = "gpu", **options: Any) -> ContainerImage:
    base = dlc_catalog.resolve(purpose, transformers=transformers, region="us-east-1", processor=processor)
    return ContainerImage.from_dlc(base, name="mine", **options)


def _server(server: Any, version: str, processor: Any = "gpu") -> ContainerImage:
    base = dlc_catalog.resolve_server(server, version=version, region="us-east-1", processor=processor)
    return ContainerImage.from_dlc(base, name="mine")


def test_every_row_has_a_source() -> None:
    assert not [name for name, row in compatibility.table().items() if name != "about" and not row["source"]]


@pytest.mark.parametrize(
    ("image", "instance", "reason"),
    [
        (_dlc("inference", "4.51.3", "cpu"), "ml.g4dn.xlarge", r"must be a CPU instance \(for example ml.m5.xlarge\)"),
        (_dlc("inference", "4.51.3"), "ml.m5.xlarge", "must be a GPU instance .*'mine' is the GPU build"),
        (_dlc("inference", "4.51.3"), "ml.inf2.xlarge", "take a build for ml.inf2.xlarge as its base"),
        (_dlc("inference", "4.55.4", "neuronx"), "ml.g5.xlarge", "must be an Inferentia2 or Trainium instance"),
        (_dlc("inference", "4.55.4", "neuronx"), "ml.inf1.xlarge", r"for example ml\.inf2\.xlarge"),
        (_dlc("inference", "4.12.3", "neuron"), "ml.inf2.xlarge", "must be an Inferentia1 instance"),
        (_dlc("inference", "4.51.3", "cpu"), "ml.c7g.xlarge", "must be an x86_64 instance: .*does not run on arm64"),
        (_dlc("inference", "4.51.3"), "ml.g7e.2xlarge", r"CUDA 12\.4, and that GPU needs 12\.8 or later"),
        (_server("vllm", "0.29.0"), "ml.p3.2xlarge", r"7\.5 or later .*has CUDA 13\.0, which is not built for 7\.0"),
        (_server("tei", "1.8.2"), "ml.p3.2xlarge", r"7\.5 or later .*has the server tei"),
    ],
)
def test_an_image_on_the_wrong_instance_is_refused(image: ContainerImage, instance: str, reason: str) -> None:
    problem = compatibility.instance_problem(image, instance_type(instance, "hosting"), "hosting")
    assert problem
    with pytest.raises(IncompatibleError, match=reason):
        compatibility.refuse(("instance type", problem))


@pytest.mark.parametrize(
    ("image", "instance", "use"),
    [
        (_dlc("inference", "4.51.3"), "ml.g4dn.xlarge", "hosting"),
        (_dlc("inference", "4.51.3", "cpu"), "ml.m5.xlarge", "hosting"),
        (_dlc("training", "4.56.2"), "ml.p5.48xlarge", "training"),
        (_dlc("training", "4.55.4", "neuronx"), "ml.trn1.2xlarge", "training"),
        (_server("vllm", "0.29.0"), "ml.g4dn.xlarge", "hosting"),
        (_server("vllm", "0.29.0"), "ml.g7e.2xlarge", "hosting"),
        (_server("tgi", "3.3.6"), "ml.g6.xlarge", "hosting"),
    ],
)
def test_an_image_on_an_instance_that_fits_is_not(image: ContainerImage, instance: str, use: Use) -> None:
    assert compatibility.instance_problem(image, instance_type(instance, use), use) is None


def test_t4_has_no_bf16() -> None:
    t4, a10g = (instance_type(name, "training") for name in ("ml.g4dn.xlarge", "ml.g5.xlarge"))
    problem = compatibility.precision_problem(t4, "bfloat16")
    assert problem == (
        "must be float16 on ml.g4dn.xlarge: bfloat16 needs a GPU of compute capability 8.0 or later (for example "
        "ml.g5.xlarge), and ml.g4dn.xlarge has 7.5"
    )
    assert compatibility.precision_problem(a10g, "bfloat16") is None
    assert compatibility.precision_problem(t4, "float16") is None


@pytest.mark.parametrize(
    ("instance", "has"), [("ml.g4dn.xlarge", "ml.g4dn.xlarge has 7.5"), ("ml.m5.xlarge", "has no NVIDIA GPU")]
)
def test_flash_attention_2_needs_ampere(instance: str, has: str) -> None:
    problem = compatibility.attention_problem(instance_type(instance, "training"), "flash_attention_2")
    assert problem is not None
    assert problem.startswith(f"must be sdpa on {instance}: FlashAttention 2 needs")
    assert has in problem
    assert compatibility.attention_problem(instance_type(instance, "training"), "sdpa") is None


@pytest.mark.parametrize(
    ("image", "ami"),
    [
        (_dlc("inference", "4.48.0"), "al2-ami-sagemaker-inference-gpu-2-1"),  # CUDA 12.1
        (_dlc("inference", "4.51.3"), "al2-ami-sagemaker-inference-gpu-3-1"),  # CUDA 12.4
        (_server("vllm", "0.14.0"), "al2023-ami-sagemaker-inference-gpu-4-1"),  # CUDA 12.9
        (_server("vllm", "0.29.0"), "al2023-ami-sagemaker-inference-gpu-4-1"),  # CUDA 13.0
        (_dlc("inference", "4.51.3", "cpu"), None),
    ],
)
def test_the_host_image_fits_the_cuda_version(image: ContainerImage, ami: str | None) -> None:
    assert compatibility.inference_ami_version(image) == ami
    assert ami is None or compatibility.inference_ami_problem(image, ami) is None


def test_a_cuda_that_no_host_image_runs_is_refused() -> None:
    image = replace(_server("vllm", "0.29.0"), cuda=(14, 1))
    with pytest.raises(IncompatibleError, match=r"CUDA 14\.1, and the newest host image .* runs 13\.0: take an older"):
        compatibility.inference_ami_version(image)


@pytest.mark.parametrize(
    ("ami", "reason"),
    [
        ("al2-ami-sagemaker-inference-gpu-3-1", "must be al2023-ami-sagemaker-inference-gpu-4-1, or left out: "),
        ("al2-ami-sagemaker-inference-gpu-2", r"driver 535 of .*gpu-2 runs 12\.2 at most"),
        ("al2023-ami-sagemaker-inference-gpu-9", "must be one of al2-ami-sagemaker-inference-gpu-2, al2-ami"),
    ],
)
def test_an_older_host_image_is_refused(ami: str, reason: str) -> None:
    problem = compatibility.inference_ami_problem(_server("vllm", "0.29.0"), ami)
    with pytest.raises(IncompatibleError, match=reason):
        compatibility.refuse(("host image", problem))


def test_a_model_of_transformers_5_needs_serving_with_5() -> None:
    problem = compatibility.serving_problem(_dlc("training", "5.3.0"), _dlc("inference", "4.51.3"))
    assert problem == (
        "must be an image with transformers 5 or later: 'mine' saves models with 5.3.0, which 4.51.3 of 'mine' cannot "
        "load"
    )
    assert compatibility.serving_problem(_dlc("training", "4.56.2"), _dlc("inference", "4.51.3")) is None
    assert compatibility.serving_problem(_dlc("training", "4.56.2"), _dlc("inference", "5.5.3")) is None


@pytest.mark.parametrize(
    ("base", "pinned", "refused"),
    [
        ("4.51.3", {"transformers": "5.3.0"}, True),
        ("4.51.3", {"Transformers": "5.3.0", "sagemaker_huggingface.inference-toolkit": "2.6.0"}, True),
        ("4.51.3", {"transformers": "5.3.0", "sagemaker-huggingface-inference-toolkit": "2.7.0"}, False),
        ("5.5.3", {"sagemaker-huggingface-inference-toolkit": "2.6.0"}, True),
        ("5.5.3", {}, False),
        ("4.51.3", {"transformers": "4.57.6"}, False),
    ],
)
def test_a_toolkit_that_cannot_import_transformers_5_is_refused(
    base: str, pinned: dict[str, str], refused: bool
) -> None:
    problem = compatibility.toolkit_problem(_dlc("inference", base, pinned=pinned))
    assert (problem is not None) is refused
    assert problem is None or "sagemaker-huggingface-inference-toolkit 2.6.0 of image 'mine' cannot import" in problem


def test_a_server_that_does_not_import_the_toolkit_runs_with_any_transformers() -> None:
    pinned = {"transformers": "5.3.0"}

    assert compatibility.toolkit_problem(_dlc("inference", "4.51.3", pinned=pinned, serving=Serving())) is None
    stock = _dlc("inference", "4.51.3", pinned=pinned, serving=Serving(server="toolkit"))
    assert compatibility.toolkit_problem(stock) is not None


@pytest.mark.parametrize("task", ["feature-extraction", "text-ranking", "text-classification"])
def test_tei_serves_encoders_and_the_others_what_they_are_told(task: str) -> None:
    assert compatibility.task_problem("tei", task) is None
    assert compatibility.task_problem("inference", "fill-mask") is None
    assert "TEI serves embeddings" in (compatibility.task_problem("tei", "fill-mask") or "")


@pytest.mark.parametrize(("isolated", "reason"), [(True, "network isolation"), (False, "egress mode")])
def test_what_needs_the_internet_cannot_be_where_there_is_none(isolated: bool, reason: str) -> None:
    needs: dict[str, Any] = {"environment": {"HF_MODEL_ID": "org/model"}, "files": ["inference.py", "requirements.txt"]}
    model, installs = compatibility.isolation_problems(isolated=isolated, leaves_vpc=False, **needs)
    assert model.startswith("HF_MODEL_ID must not be set: ")
    assert "has to come from S3" in model
    assert installs.startswith("requirements.txt must not be there: ")
    assert reason in model
    assert reason in installs


def test_what_needs_the_internet_can_be_where_there_is_one() -> None:
    needs: dict[str, Any] = {"environment": {"HF_MODEL_ID": "org/model"}, "files": ["requirements.txt"]}
    assert compatibility.isolation_problems(isolated=False, leaves_vpc=True, **needs) == []
    local = {"HF_MODEL_ID": "/opt/ml/model"}
    assert compatibility.isolation_problems(isolated=True, leaves_vpc=False, environment=local) == []


@pytest.mark.parametrize(("base", "transformers"), [("4.56.2", "4.57.6"), ("5.3.0", "5.3.0")])
def test_an_extension_replaces_transformers_within_a_major_version_only(base: str, transformers: str) -> None:
    dlc = dlc_catalog.resolve("training", transformers=base, region="us-east-1")
    assert ImageExtension(purpose="training", base=dlc).described("mine").transformers == transformers


def test_an_endpoint_takes_its_host_image_from_its_image(stack: Any) -> None:
    _endpoint(stack, image=_server("vllm", "0.29.0"))
    Template.from_stack(stack).has_resource_properties(
        "AWS::SageMaker::EndpointConfig",
        {"ProductionVariants": [Match.object_like({"InferenceAmiVersion": "al2023-ami-sagemaker-inference-gpu-4-1"})]},
    )


def test_an_endpoint_on_which_its_image_cannot_run_is_refused_with_every_reason(stack: Any) -> None:
    with pytest.raises(IncompatibleError) as caught:
        _endpoint(
            stack,
            image=_server("vllm", "0.29.0"),
            instance_type="ml.m5.xlarge",
            inference_ami_version="al2-ami-sagemaker-inference-gpu-3-1",
        )
    instance, host = str(caught.value).splitlines()
    assert instance.startswith("instance type ml.m5.xlarge must be a GPU instance")
    assert host.startswith("host image al2-ami-sagemaker-inference-gpu-3-1 must be al2023-ami")


def _endpoint(stack: Any, **options: Any) -> HuggingFaceEndpoint:
    return HuggingFaceEndpoint(
        stack,
        "Endpoint",
        endpoint_name="sentiment",
        model=ModelSource.from_registry("arn:aws:sagemaker:us-east-1:123456789012:model-package/group/1"),
        role=stack.role,
        placement=stack.placement,
        key=stack.key,
        **options,
    )


def test_an_image_of_a_teams_own_is_named_by_what_does_not_move(stack: Any) -> None:
    repository = ecr.Repository.from_repository_name(stack, "Team", "team/image")
    with pytest.raises(ValueError, match="team/image: `latest` names another image"):
        ContainerImage.from_ecr(repository, tag_or_digest="latest", product="inference")
    image = ContainerImage.from_ecr(repository, tag_or_digest="sha256:" + "0" * 64, product="inference", cuda=(12, 4))
    assert image.uri.endswith("team/image@sha256:" + "0" * 64)
    assert compatibility.inference_ami_version(image) == "al2-ami-sagemaker-inference-gpu-3-1"
