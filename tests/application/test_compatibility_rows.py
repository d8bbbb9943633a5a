"""Every row of the table of what fits together, as people meet it: in settings, in a request, or in a construct."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aws_cdk import App, Environment, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from hf_sagemaker import compatibility, dlc_catalog
from hf_sagemaker.compatibility import IncompatibleError
from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.endpoint import HuggingFaceEndpoint
from hf_sagemaker.instance_types import instance_type
from hf_sagemaker.model_source import ModelSource
from hf_sagemaker.placement import Placement
from hfsm.errors import WrongUseError
from hfsm.package import check, to_s3
from stacks.settings_files import SettingsError, load_environments
from validate_training_request.defaults import Defaults
from validate_training_request.logic import find_problems

ROOT = Path(__file__).parents[2]
VLLM = {"server": "vllm", "version": "0.29.0"}
Say = Callable[[Path], str]


def _settings(change: Callable[[dict[str, Any]], None]) -> Say:
    """What is said of dev with a change."""

    def say(folder: Path) -> str:
        content = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
        change(content)
        (folder / "dev.yaml").write_text(yaml.safe_dump(content))
        with pytest.raises(SettingsError) as caught:
            load_environments(folder)
        return str(caught.value)

    return say


def _endpoint(base: dict[str, Any], instance: str, **variables: str) -> Say:
    def change(content: dict[str, Any]) -> None:
        content["images"].append({"name": "mine", "base": base})
        fields = {"image": "mine", "instance_type": instance, "environment": variables}
        content["inference"]["endpoints"][0] |= fields

    return _settings(change)


def _fills_masks_with_tei(content: dict[str, Any]) -> None:
    content["images"].append({"name": "mine", "base": {"server": "tei", "version": "1.8.2"}})
    model = {"s3": "trained/1/output/", "task": "fill-mask"}
    content["inference"]["endpoints"][0] |= {"image": "mine", "model": model}


def _bases(*, training: str, inference: str, **fields: Any) -> Say:
    def change(content: dict[str, Any]) -> None:
        content["images"][0]["base"] = {"purpose": "training", "transformers": training}
        content["images"][1] |= {"base": {"purpose": "inference", "transformers": inference}, **fields}

    return _settings(change)


def _request(**changes: Any) -> Say:
    """What Validate says of a request for g4dn."""

    def say(folder: Path) -> str:
        rules = compatibility.hyperparameter_rules([instance_type("ml.g4dn.xlarge", "training")])
        defaults = Defaults(
            job_type="text",
            environment="dev",
            instance_type="ml.g4dn.xlarge",
            instance_types={"ml.g4dn.xlarge": False},
            max_instance_count=1,
            volume_size=50,
            use_spot_instances=True,
            checkpoints=True,
            max_run=60,
            max_wait=60,
            metric_definitions=[{"Name": "eval_accuracy", "Regex": "(.*)"}],
            evaluation={"metric": "eval_accuracy", "minimum": 0.0},
            checkpoints_bucket="checkpoints",
            data_buckets=["data"],
            models_bucket="models",
            volume_key="key",
            image="training",
            images={"training": "/training"},
            unfit_images={},
            precision=rules,
        )
        request = {"schema_version": "1", "name": "text", "channels": {"train": "s3://data/train"}, **changes}
        return " ".join(find_problems(request, defaults))

    return say


def _construct(**options: Any) -> Say:
    """What the endpoint construct says."""

    def say(folder: Path) -> str:
        stack = Stack(
            App(builtin_cloud_formation_validation=False),
            "Stack",
            env=Environment(account="123456789012", region="us-east-1"),
        )
        base = dlc_catalog.resolve_server("vllm", version="0.29.0", region="us-east-1")
        with pytest.raises(IncompatibleError) as caught:
            HuggingFaceEndpoint(
                stack,
                "Endpoint",
                endpoint_name="sentiment",
                model=ModelSource.from_registry("arn:aws:sagemaker:us-east-1:123456789012:model-package/group/1"),
                role=iam.Role.from_role_arn(stack, "Role", "arn:aws:iam::123456789012:role/team"),
                placement=Placement(vpc=None, subnets=[], security_groups=[]),  # type: ignore[arg-type]
                key=kms.Key.from_key_arn(stack, "Key", "arn:aws:kms:us-east-1:123456789012:key/1"),
                image=ContainerImage.from_dlc(base),
                **options,
            )
        return str(caught.value)

    return say


class _Isolated:
    """What `hfsm package` asks of an environment whose containers have no network."""

    environment = "dev"

    def find(self, name: str) -> str | None:
        return {"guardrails/isolation": "true"}.get(name)


def _package(folder: Path) -> str:
    """What `hfsm package` says of a model with a requirements.txt."""
    for name in ("model", "code"):
        (folder / name).mkdir()
    (folder / "model/config.json").write_text("{}")
    (folder / "model/model.safetensors").write_bytes(b"")
    (folder / "code/inference.py").write_text("def model_fn(model_dir):\n    return None\n")
    (folder / "code/requirements.txt").write_text("einops==0.8.1\n")
    with pytest.raises(WrongUseError) as caught:
        to_s3(check(folder / "model", folder / "code"), None, _Isolated(), print)  # type: ignore[arg-type]
    return str(caught.value)


CASES: dict[str, list[tuple[Say, str]]] = {
    "devices": [
        (
            _endpoint({"server": "tei", "version": "1.8.2", "processor": "cpu"}, "ml.g4dn.xlarge"),
            "must be a CPU instance (for example ml.m5.xlarge): image 'mine' is the CPU build",
        ),
        (
            _endpoint({"purpose": "inference", "transformers": "4.55.4", "processor": "neuronx"}, "ml.inf1.xlarge"),
            "must be an Inferentia2 or Trainium instance (for example ml.inf2.xlarge)",
        ),
    ],
    "architecture": [
        (
            _endpoint({"purpose": "inference", "transformers": "4.51.3", "processor": "cpu"}, "ml.c7g.xlarge"),
            "must be an x86_64 instance: image 'mine' does not run on arm64",
        ),
        (
            _endpoint(
                {
                    "uri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/image:1",
                    "purpose": "inference",
                    "processor": "cpu",
                    "architecture": "arm64",
                },
                "ml.m5.xlarge",
            ),
            "must be an arm64 instance",
        ),
    ],
    "inference_amis": [
        (
            _construct(instance_type="ml.g5.xlarge", inference_ami_version="al2-ami-sagemaker-inference-gpu-3-1"),
            "host image al2-ami-sagemaker-inference-gpu-3-1 must be al2023-ami-sagemaker-inference-gpu-4-1, or left",
        )
    ],
    "cuda_for_gpu": [
        (_endpoint({"server": "tei", "version": "1.8.2"}, "ml.g7e.2xlarge"), "built with CUDA 12.2, and that GPU needs")
    ],
    "gpu_for_cuda": [
        (_endpoint(VLLM, "ml.p3.2xlarge"), "'mine' has CUDA 13.0, which is not built for 7.0"),
    ],
    "servers": [
        (_endpoint({"server": "tei", "version": "1.8.2"}, "ml.p3.2xlarge"), "'mine' has the server tei, which is not"),
    ],
    "bfloat16": [
        (_endpoint(VLLM, "ml.g4dn.xlarge", SM_VLLM_DTYPE="bfloat16"), "must be float16 on ml.g4dn.xlarge: bfloat16"),
        (
            _endpoint({"purpose": "inference", "transformers": "4.51.3"}, "ml.g4dn.xlarge", HFSM_DTYPE="bfloat16"),
            "must be float16 on ml.g4dn.xlarge: bfloat16",
        ),
        (_request(hyperparameters={"bf16": True}), "hyperparameters.bf16 is True: it must be false, with fp16: true"),
        (_request(environment={"ACCELERATE_MIXED_PRECISION": "bf16"}), "it must be fp16 on ml.g4dn.xlarge: bfloat16"),
        (
            _construct(environment={"SM_VLLM_DTYPE": "bfloat16"}),
            "variable SM_VLLM_DTYPE must be float16 on ml.g4dn.xlarge",
        ),
    ],
    "flash_attention_2": [
        (
            _endpoint({"server": "tgi", "version": "3.3.6"}, "ml.g4dn.xlarge", ATTENTION="flashdecoding"),
            "must be left out: TGI takes paged there on ml.g4dn.xlarge: FlashAttention 2 needs",
        ),
        (
            _request(hyperparameters={"attn_implementation": "flash_attention_2"}),
            "it must be sdpa on ml.g4dn.xlarge: FlashAttention 2 needs a GPU of compute capability 8.0 or later (for "
            "example ml.g5.xlarge), and ml.g4dn.xlarge has 7.5.",
        ),
    ],
    "transformers_of_serving": [
        (_bases(training="5.3.0", inference="4.51.3"), "must be an image with transformers 5 or later: 'training'")
    ],
    "inference_toolkit": [
        (
            _bases(
                training="4.56.2",
                inference="4.51.3",
                requirements=["transformers==5.3.0"],
                serving={"server": "toolkit"},
            ),
            "sagemaker-huggingface-inference-toolkit 2.6.0 of image 'inference' cannot import transformers 5.3.0",
        )
    ],
    "tei_tasks": [
        (
            _settings(_fills_masks_with_tei),
            'model.task is "fill-mask": must be one of feature-extraction, sentence-similarity, text-classification, '
            "text-ranking: TEI serves",
        )
    ],
    "isolation": [
        (
            _endpoint(VLLM, "ml.g5.xlarge", HF_MODEL_ID="org/model"),
            'environment.HF_MODEL_ID is "org/model": must not be set: network isolation lets nothing out, so the model',
        ),
        (_endpoint(VLLM, "ml.g5.xlarge", SM_VLLM_MODEL="s3://bucket/model"), "so the model has to come from S3"),
        (
            _construct(instance_type="ml.g5.xlarge", environment={"HF_MODEL_ID": "org/model"}),
            "HF_MODEL_ID must not be set: network isolation lets nothing out",
        ),
        (_package, "code/requirements.txt must not be there: network isolation lets nothing out"),
    ],
}


def test_every_row_of_the_table_has_a_case() -> None:
    # A row that nobody can meet, and a case of a row that is gone, both show here
    assert set(CASES) == set(compatibility.table()) - {"about"}


@pytest.mark.parametrize(
    ("say", "message"),
    [pytest.param(*case, id=f"{row}-{number}") for row, cases in CASES.items() for number, case in enumerate(cases)],
)
def test_its_message_is_seen(say: Say, message: str, tmp_path: Path) -> None:
    assert message in say(tmp_path)


@pytest.mark.parametrize(
    "asks",
    [
        {"hyperparameters": {"bf16": False, "fp16": True}},
        {"hyperparameters": {"attn_implementation": "sdpa", "dtype": "float16"}},
    ],
)
def test_a_request_for_what_the_gpu_has_is_not_refused(asks: dict[str, Any], tmp_path: Path) -> None:
    assert _request(**asks)(tmp_path) == ""


def test_instances_that_have_it_all_need_no_rules() -> None:
    newer = [instance_type(name, "training") for name in ("ml.g5.xlarge", "ml.trn1.2xlarge", "ml.m5.xlarge")]
    assert compatibility.hyperparameter_rules(newer) == []
