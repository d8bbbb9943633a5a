"""The catalogues against their sources, and what they say of a wrong name."""

import botocore.session
import pytest

from hf_sagemaker import dlc_catalog, update_catalogs
from hf_sagemaker.dlc_catalog import UnknownImageError
from hf_sagemaker.instance_types import UnknownInstanceTypeError, instance_type, names


def test_the_image_table_is_the_sdks_own() -> None:
    # `make catalogs` writes it
    assert dlc_catalog._catalog() == update_catalogs.dlc_catalog()


@pytest.mark.parametrize(
    ("use", "shape"), [("training", "TrainingInstanceType"), ("hosting", "ProductionVariantInstanceType")]
)
def test_instance_types_are_botocores_own(use: str, shape: str) -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    assert names(use) == list(model.shape_for(shape).enum)  # type: ignore[arg-type]


@pytest.mark.parametrize("use", ["training", "hosting"])
def test_every_instance_type_has_a_family(use: str) -> None:
    for name in names(use):  # type: ignore[arg-type]
        assert instance_type(name, use).name == name  # type: ignore[arg-type]


def test_the_uri_is_the_one_that_aws_publishes() -> None:
    image = dlc_catalog.resolve("training", transformers="5.3.0", region="us-east-1")
    assert image.uri == (
        "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-training:"
        "2.9.0-transformers5.3.0-gpu-py312-cu130-ubuntu22.04"
    )


def test_accounts_and_tags_that_are_published_are_told_from_others() -> None:
    # Given what the table resolves to
    image = dlc_catalog.resolve("training", transformers="5.3.0", region="us-east-1")
    # Then its account and its tag are among those that AWS publishes
    assert image.account in dlc_catalog.registries("us-east-1")
    assert image.tag in dlc_catalog.tags("huggingface-pytorch-training")
    # And no other is
    assert "999999999999" not in dlc_catalog.registries("us-east-1")
    assert image.tag not in dlc_catalog.tags("huggingface-pytorch-inference")
    assert dlc_catalog.registries("moon-1") == set()


def test_regions_with_an_account_of_their_own_are_served_from_it() -> None:
    image = dlc_catalog.resolve("inference", transformers="4.51.3", region="cn-north-1")
    assert image.registry == "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn"


@pytest.mark.parametrize(
    ("transformers", "ami"),
    [
        ("4.48.0", "al2-ami-sagemaker-inference-gpu-2-1"),  # CUDA 12.1
        ("4.51.3", "al2-ami-sagemaker-inference-gpu-3-1"),  # CUDA 12.4
    ],
)
def test_the_host_image_fits_the_cuda_version(transformers: str, ami: str) -> None:
    image = dlc_catalog.resolve("inference", transformers=transformers, region="us-east-1")
    assert image.inference_ami_version == ami


def test_a_cpu_image_asks_for_no_host_image() -> None:
    image = dlc_catalog.resolve("inference", transformers="4.51.3", region="us-east-1", processor="cpu")
    assert image.inference_ami_version is None


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        ({"transformers": "4.56", "region": "us-east-1"}, "4.56.2"),
        ({"transformers": "4.56.2", "region": "us-east-9"}, "us-east-1"),
        ({"transformers": "4.56.2", "region": "us-east-1", "pytorch": "2.8"}, "2.8.0"),
        ({"transformers": "4.56.2", "region": "us-east-1", "processor": "cpu"}, "gpu"),
    ],
)
def test_an_image_that_does_not_exist_names_the_nearest(arguments: dict[str, str], nearest: str) -> None:
    with pytest.raises(UnknownImageError, match=nearest):
        dlc_catalog.resolve("training", **arguments)  # type: ignore[arg-type]


def test_an_instance_type_that_does_not_exist_names_the_nearest() -> None:
    with pytest.raises(UnknownInstanceTypeError, match=r"ml\.g4dn\.xlarge"):
        instance_type("ml.g4dn.3xlarge", "hosting")


@pytest.mark.parametrize(
    ("name", "takes_key"),
    [
        ("ml.g4dn.xlarge", False),
        ("ml.g5.xlarge", False),
        ("ml.p4d.24xlarge", False),
        ("ml.m5.xlarge", True),
        ("ml.p3.2xlarge", True),
    ],
)
def test_local_nvme_takes_no_volume_key(name: str, takes_key: bool) -> None:
    assert instance_type(name, "training").takes_volume_key is takes_key
