"""The image catalogue against the SageMaker SDK's own tables, cell by cell, and what it says of an unknown image."""

import json
import re
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, NamedTuple

import botocore.session
import pytest
from aws_cdk.region_info import RegionInfo

from hf_sagemaker import dlc_catalog, update_catalogs
from hf_sagemaker.dlc_catalog import DeepLearningContainer, UnknownImageError
from hf_sagemaker.nearest_regions import nearest_regions

TABLES = Path(str(distribution("sagemaker-core").locate_file("sagemaker/core/image_uri_config")))
# Regions that the SDK serves and the CDK's own table leaves out.
WITHOUT_CDK = [
    "af-south-1",
    "ap-northeast-3",
    "ca-west-1",
    "il-central-1",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-iso-east-1",
    "us-isob-east-1",
]


class Cell(NamedTuple):
    """One image of one of the SDK's tables. words: what its tag must hold, in this order."""

    table: str
    scope: str
    version: str
    framework: str
    processor: str
    repository: str
    registries: dict[str, str]
    words: list[str]


def _cells() -> Iterator[Cell]:
    for file in sorted(TABLES.glob("huggingface*.json")):
        for scope, table in json.loads(file.read_text()).items():
            for version, entry in table["versions"].items():
                frameworks = {"": entry} if "repository" in entry else entry
                for framework in sorted(frameworks.keys() - {"version_aliases"}):
                    yield from _images(file.stem, scope, version, framework, frameworks[framework], table["processors"])


def _images(
    table: str, scope: str, version: str, framework: str, image: dict[str, Any], processors: list[str]
) -> Iterator[Cell]:
    neuron = re.search(r"neuronx?$", table)
    for word, built in image.get("container_version", {"gpu": "cu110-ubuntu18.04"}).items():
        if not neuron and word not in processors:
            continue
        processor = neuron[0] if neuron else word
        numbers = re.sub("^(pytorch|tensorflow)", "", framework)
        prefix = [image["tag_prefix"]] if "tag_prefix" in image else [numbers, f"transformers{version}"]
        words = [*prefix, processor, *image.get("py_versions", []), *image.get("sdk_versions", []), built]
        yield Cell(table, scope, version, framework, processor, image["repository"], image["registries"], words)


CELLS = list(_cells())


def _found(cell: Cell, region: str) -> DeepLearningContainer:
    arguments: dict[str, Any] = {"region": region, "processor": cell.processor}
    if not cell.framework:
        server = re.sub("^llm$", "tgi", re.sub("^huggingface-|-neuronx$|-cpu$", "", cell.table))
        return dlc_catalog.resolve_server(server, version=cell.version, **arguments)  # type: ignore[arg-type]
    purpose = "training-compiler" if cell.table.endswith("compiler") else cell.scope
    kind, numbers = re.findall(r"[a-z]+|[0-9.]+", cell.framework)
    return dlc_catalog.resolve(purpose, transformers=cell.version, **{kind: numbers}, **arguments)  # type: ignore[arg-type]


def _domains() -> dict[str, str]:
    partitions = botocore.session.get_session().get_component("data_loader").load_data("endpoints")["partitions"]
    return {region: partition["dnsSuffix"] for partition in partitions for region in partition["regions"]}


DOMAINS = _domains()


def test_the_catalogue_is_current() -> None:
    # `make catalogs` writes it
    file = Path(dlc_catalog.__file__).with_name("dlc_catalog.json")
    assert file.read_text() == update_catalogs.catalog_text(update_catalogs.dlc_catalog())


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell.table}-{cell.scope}-{'-'.join(cell.words)}")
def test_every_image_of_the_sdk_is_there_in_each_of_its_regions(cell: Cell) -> None:
    for region, account in cell.registries.items():
        # When it is looked up by its versions
        image = _found(cell, region)
        # Then it is where the SDK's table says, under the tag that the cell's parts make
        assert image.registry == f"{account}.dkr.ecr.{region}.{DOMAINS.get(region, 'amazonaws.com')}"
        assert image.account == account
        assert (image.repository, image.tag) == (cell.repository, "-".join(cell.words))
        assert (image.version, image.framework, image.processor) == (cell.version, cell.framework, cell.processor)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: "-".join(cell.words))
def test_where_the_sdk_has_no_image_the_nearest_region_is_named(cell: Cell) -> None:
    for region in DOMAINS.keys() - cell.registries.keys():
        with pytest.raises(UnknownImageError, match=f"is published in region '{region}'") as caught:
            _found(cell, region)
        named = str(caught.value).partition("Nearest regions that have it: ")[2].partition(".")[0].split(", ")
        named = [name for name in named if name]
        # Then what is named has it, and can be reached from there
        assert set(named) <= cell.registries.keys()
        assert {DOMAINS.get(name, "amazonaws.com") for name in named} <= {DOMAINS[region]}


@pytest.mark.parametrize("region", WITHOUT_CDK)
def test_regions_that_the_cdk_leaves_out_have_an_image(region: str) -> None:
    assert RegionInfo.get(region).dlc_repository_account is None
    account = next(cell.registries[region] for cell in CELLS if cell.repository == "huggingface-pytorch-inference")
    assert dlc_catalog.newest("inference", region=region).registry.startswith(f"{account}.dkr.ecr.{region}.")


def test_what_the_cdk_knows_of_a_region_is_the_same() -> None:
    for region in DOMAINS:
        account = RegionInfo.get(region).dlc_repository_account
        if account and dlc_catalog.versions("inference", region=region):
            assert dlc_catalog.newest("inference", region=region).account == account


def test_the_uri_is_the_one_that_aws_publishes() -> None:
    image = dlc_catalog.resolve("training", transformers="5.3.0", region="us-east-1")
    assert image.uri == (
        "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-training:"
        "2.9.0-transformers5.3.0-gpu-py312-cu130-ubuntu22.04"
    )


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        # From the published list of Hugging Face's containers, and not from the SDK's code.
        (("training", "4.36.2", "neuronx"), "1.13.1-transformers4.36.2-neuronx-py310-sdk2.18.0-ubuntu20.04"),
        (("vllm", "0.4.4", "neuronx"), "0.11.0-optimum0.4.4-neuronx-py310-sdk2.26.1-ubuntu22.04"),
        (("vllm-omni", "0.20.0", "gpu"), "0.20.0-transformers5.8.1-gpu-py312-cu130-amzn2023"),
        (("tgi", "0.0.27", "neuronx"), "2.1.2-optimum0.0.27-neuronx-py310-ubuntu22.04"),
        (("llamacpp", "b9522", "cpu"), "b9522-cpu-ubuntu24.04"),
    ],
)
def test_tags_of_other_hardware_are_those_that_aws_publishes(image: tuple[str, str, Any], tag: str) -> None:
    product, version, processor = image
    if product == "training":
        found = dlc_catalog.resolve(product, transformers=version, region="us-west-2", processor=processor)
    else:
        found = dlc_catalog.resolve_server(product, version=version, region="us-west-2", processor=processor)  # type: ignore[arg-type]
    assert found.tag == tag


@pytest.mark.parametrize(
    ("short", "full"),
    [({"transformers": "4.56"}, "2.8.0-transformers4.56.2"), ({"transformers": "5", "pytorch": "2"}, "2.9.0-")],
)
def test_a_short_version_is_completed_where_only_one_begins_with_it(short: dict[str, str], full: str) -> None:
    assert dlc_catalog.resolve("training", region="us-east-1", **short).tag.startswith(full)  # type: ignore[arg-type]


def test_a_framework_left_out_is_the_newest_pytorch() -> None:
    assert dlc_catalog.resolve("training", transformers="4.6.1", region="us-east-1").framework == "pytorch1.8.1"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"transformers": "4"}, r"'4' stands for several published versions: 4\.4\.2, .*4\.56\.2\. Name one"),
        ({"transformers": "4.57.6"}, r"transformers 4\.57\.6\. Nearest: 4\.56\.2, 5\.3\.0"),
        ({"transformers": "9.0.0"}, r"Nearest: 5\.3\.0\."),
        ({"transformers": "4.56.2", "pytorch": "2.7.0"}, r"has PyTorch 2\.7\.0\. Nearest: 2\.8\.0"),
        ({"transformers": "4.56.2", "processor": "cpu"}, "for processor 'cpu'. It is for: gpu, neuronx"),
        ({"transformers": "latest"}, "hfsm images update"),
        ({"transformers": "4.56.2", "pytorch": "latest"}, "names another image from one day to the next"),
        ({"transformers": "4.56.2", "region": "us-east-9"}, "Nearest regions that have it: us-east-1, us-east-2"),
        ({"transformers": "4.56.2", "region": "ap-southeast-7"}, "Nearest regions that have it: ap-southeast-1"),
        ({"transformers": "4.56.2", "region": "eusc-de-east-1"}, "No region of its partition has it"),
        (
            {"transformers": "4.55.4", "processor": "neuronx", "region": "ap-east-2"},
            r"In ap-east-2 there is: 4\.36\.2",
        ),
    ],
)
def test_an_image_that_does_not_exist_names_the_nearest(arguments: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnknownImageError, match=reason):
        dlc_catalog.resolve("training", **{"region": "us-east-1", **arguments})


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"version": "3.2"}, r"'3\.2' stands for several published versions: 3\.2\.0, 3\.2\.3"),
        ({"version": "3.3.5"}, r"Nearest: 3\.3\.4, 3\.3\.6"),
        ({"version": "3.3.6", "processor": "cpu"}, "It is for: gpu, neuronx"),
    ],
)
def test_a_server_that_does_not_exist_names_the_nearest(arguments: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnknownImageError, match=reason):
        dlc_catalog.resolve_server("tgi", region="us-east-1", **arguments)


@pytest.mark.parametrize(
    ("region", "nearest"),
    [
        ("eu-west-9", ["eu-west-1", "eu-west-2", "eu-central-1"]),
        ("il-central-1", ["eu-central-1", "eu-west-1", "eu-west-2"]),
        ("sa-east-1", ["us-east-1", "us-west-2", "ap-northeast-1"]),
        ("us-gov-east-1", ["us-gov-west-1"]),
        ("cn-northwest-1", []),
    ],
)
def test_near_is_the_same_part_of_the_world_and_never_another_partition(region: str, nearest: list[str]) -> None:
    offered = ["us-west-2", "us-east-1", "eu-west-2", "eu-west-1", "eu-central-1", "us-gov-west-1", "ap-northeast-1"]
    assert nearest_regions(region, offered) == nearest


def test_the_newest_is_of_the_region() -> None:
    assert dlc_catalog.newest("training", region="us-east-1").version == "5.3.0"
    assert dlc_catalog.newest("training", region="ap-east-2", processor="neuronx").version == "4.36.2"
    with pytest.raises(UnknownImageError, match="for gpu is published in eusc-de-east-1"):
        dlc_catalog.newest("training", region="eusc-de-east-1")


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
