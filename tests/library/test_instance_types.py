"""The catalogue of instance types against its source, and what it says of a wrong name."""

import botocore.session
import pytest

from hf_sagemaker.instance_types import UnknownInstanceTypeError, instance_type, names


@pytest.mark.parametrize(
    ("use", "shape"),
    [
        ("training", "TrainingInstanceType"),
        ("hosting", "ProductionVariantInstanceType"),
        ("processing", "ProcessingInstanceType"),
        ("transform", "TransformInstanceType"),
    ],
)
def test_instance_types_are_botocores_own(use: str, shape: str) -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    assert names(use) == list(model.shape_for(shape).enum)  # type: ignore[arg-type]


@pytest.mark.parametrize("use", ["training", "hosting", "processing", "transform"])
def test_every_instance_type_has_a_family(use: str) -> None:
    for name in names(use):  # type: ignore[arg-type]
        assert instance_type(name, use).name == name  # type: ignore[arg-type]


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
