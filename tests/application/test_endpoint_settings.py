"""What settings may say about endpoints of each mode, and what is refused with what to do."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from stacks.settings import EnvironmentSettings
from stacks.settings_files import SettingsError, load_environments

ROOT = Path(__file__).parents[2]
PACKAGE = {"model_package": "arn:aws:sagemaker:us-east-1:123456789012:model-package/dev-text/3"}
ARCHIVE = {"s3": "trained/1/output/model.tar.gz", "task": "text-classification"}
RESERVATION = "arn:aws:sagemaker:us-east-1:123456789012:training-plan/mine"
COMPONENT = {"name": "small", "model": PACKAGE, "memory_mb": 1024}
POOLS = [{"instance_type": "ml.g5.xlarge", "priority": 1}, {"instance_type": "ml.g4dn.xlarge", "priority": 2}]
SERVERLESS = {"mode": "serverless", "image": "cpu", "model": PACKAGE, "serverless": {"outside_network": True}}
IMAGES = {
    "inference": {},
    "cpu": {"processor": "cpu"},
    "stock": {"processor": "cpu"},
}


def _load(folder: Path, endpoint: dict[str, Any], name: str = "dev", **others: Any) -> EnvironmentSettings:
    """dev with one endpoint."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    base = content["images"][1]["base"]
    images = [{"name": image, "base": {**base, **more}} for image, more in IMAGES.items()]
    images[-1]["serving"] = {"server": "toolkit"}
    content["images"] = [content["images"][0], *images]
    content["inference"]["endpoints"] = [{"name": "words", **endpoint}]
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(content | others))
    return load_environments(folder)[name]


def _refused(folder: Path, endpoint: dict[str, Any], **others: Any) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        _load(folder, endpoint, **others)
    return caught.value.problems


@pytest.mark.parametrize(
    ("endpoint", "field", "words"),
    [
        # What a mode does not have
        (SERVERLESS | {"instance_type": "ml.m5.xlarge"}, "instance_type", "serverless has no instances"),
        (SERVERLESS | {"max_instances": 3}, "max_instances", "max_concurrency"),
        (SERVERLESS | {"routing": "random"}, "routing", "must be left out in mode serverless"),
        (SERVERLESS | {"metrics_seconds": 60}, "metrics_seconds", "must be left out"),
        ({"model": PACKAGE, "serverless": {"outside_network": True}}, "serverless", "write mode: serverless"),
        ({"model": PACKAGE, "asynchronous": {"expires_days": 1}}, "asynchronous", "write mode: asynchronous"),
        ({"model": PACKAGE, "components": [COMPONENT]}, "components", "write mode: components"),
        ({"mode": "asynchronous", "model": PACKAGE, "latency_alarm_ms": 5}, "latency_alarm_ms", "backlog_alarm"),
        (
            {"mode": "asynchronous", "model": PACKAGE, "shadow": {"model": PACKAGE}},
            "shadow",
            "only a real-time endpoint",
        ),
        ({"mode": "components", "components": [COMPONENT], "model": PACKAGE}, "model", "each component names its own"),
        (
            {"mode": "components", "components": [COMPONENT], "instance_pools": POOLS},
            "instance_pools",
            "must be left out in mode components",
        ),
        ({"model": PACKAGE, "min_instances": 0}, "min_instances", "without instances requests fail"),
        # Serverless
        ({"mode": "serverless", "image": "cpu", "model": PACKAGE}, "serverless", "outside_network: true"),
        (SERVERLESS | {"serverless": {"outside_network": False}}, "serverless.outside_network", "must be"),
        (SERVERLESS | {"image": "inference"}, "image", "serverless has no GPU; cpu, stock is one"),
        (SERVERLESS | {"serverless": {"outside_network": True, "memory_mb": 1500}}, "memory_mb", "1024"),
        (SERVERLESS | {"serverless": {"outside_network": True, "max_concurrency": 201}}, "max_concurrency", "200"),
        (
            SERVERLESS | {"serverless": {"outside_network": True, "max_concurrency": 2, "provisioned_concurrency": 3}},
            "provisioned_concurrency",
            "must be at most max_concurrency (2)",
        ),
        # Several models
        ({"model": PACKAGE, "variants": [{"name": "aa", "model": PACKAGE}]}, "model", "left out with variants"),
        ({"variants": [{"name": "aa", "model": PACKAGE, "weight": 0}]}, "variants", "a weight above 0"),
        ({"variants": [{"name": "aa", "model": PACKAGE}] * 2}, "variants.1.name", "no earlier entry has"),
        (
            {"variants": [{"name": "aa", "model": PACKAGE, "min_instances": 5}]},
            "variants.0.max_instances",
            "at least the variant's minimum (5)",
        ),
        (
            {"variants": [{"name": "aa", "model": PACKAGE}], "shadow": {"model": PACKAGE}},
            "shadow",
            "copies the requests of `model`",
        ),
        ({"shadow": {"model": PACKAGE}}, "shadow", "without a model"),
        ({"mode": "components", "components": [COMPONENT] * 2}, "components.1.name", "no earlier entry has"),
        (
            {"mode": "components", "components": [COMPONENT | {"min_copies": 3}]},
            "components.0.max_copies",
            "at least min_copies (3)",
        ),
        (
            {"mode": "components", "components": [COMPONENT | {"name": "a" * 31}], "name": "b" * 31},
            "components.0.name",
            "must be shorter by 4",
        ),
        # Multi-model
        (
            {"mode": "multi-model", "multi_model": {"s3": "many/", "task": "fill-mask"}},
            "image",
            "`serving: {server: toolkit}`",
        ),
        # Instances
        (
            {"model": PACKAGE, "instance_pools": POOLS, "instance_type": "ml.g5.xlarge"},
            "instance_type",
            "left out with",
        ),
        (
            {"model": PACKAGE, "instance_pools": [POOLS[0], POOLS[1] | {"priority": 1}]},
            "instance_pools.1.priority",
            "must differ from the priority",
        ),
        (
            {"model": PACKAGE, "instance_pools": [POOLS[0], POOLS[0] | {"priority": 2}]},
            "instance_pools.1.instance_type",
            "must differ from the instance_type",
        ),
        (
            {"model": PACKAGE, "instance_pools": [POOLS[0], {"instance_type": "ml.m5.xlarge", "priority": 2}]},
            "instance_pools.1.instance_type",
            "must be a GPU instance",
        ),
        (
            {"model": PACKAGE, "instance_pools": [POOLS[0], {"instance_type": "ml.p3.2xlarge", "priority": 2}]},
            "instance_pools",
            "must all have local NVMe, or none",
        ),
        (
            {"model": PACKAGE, "instance_pools": POOLS, "capacity_reservation_arn": RESERVATION},
            "capacity_reservation_arn",
            "of one instance type",
        ),
        ({"model": PACKAGE, "volume_gb": 100}, "volume_gb", "ml.g4dn.xlarge has local NVMe"),
        ({"model": PACKAGE, "startup_seconds": 30}, "startup_seconds", "60"),
        ({"model": PACKAGE, "model_download_seconds": 4000}, "model_download_seconds", "3600"),
        ({"model": PACKAGE, "metrics_seconds": 20}, "metrics_seconds", "10"),
        (
            {"model": PACKAGE, "inference_ami_version": "al2-ami-sagemaker-inference-gpu-2"},
            "inference_ami_version",
            "or left out",
        ),
        # A model of a part is judged as that of an endpoint is
        ({"variants": [{"name": "aa", "model": {"s3": "trained/1/"}}]}, "variants.0.model.task", "pipeline task"),
        ({"model": PACKAGE, "shadow": {"model": PACKAGE, "image": "nowhere"}}, "shadow.image", "name of an image"),
        (
            {"mode": "components", "components": [COMPONENT | {"environment": {"HFSM_NOTHING": "1"}}]},
            "components.0.environment.HFSM_NOTHING",
            "must be left out",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(
    tmp_path: Path, endpoint: dict[str, Any], field: str, words: str
) -> None:
    problems = _refused(tmp_path, endpoint)
    fitting = [problem for problem in problems if f"{field}" in problem and words in problem]
    assert len(fitting) == 1, problems
    assert len({problem.split(":")[1] for problem in problems}) <= 2, problems


def test_models_of_the_teams_buckets_fit_into_one_policy(tmp_path: Path) -> None:
    # Given variants that serve from so many places that IAM has no room for them
    models = [{"s3": f"s3://the-teams-corpus/{i}{'a' * 500}/", "task": "text-classification"} for i in range(5)]
    variants = [{"name": f"variant-{i}", "model": model} for i, model in enumerate(models)]
    data = {"read_only_buckets": [{"name": "the-teams-corpus"}]}
    (problem,) = _refused(tmp_path, {"variants": variants}, data=data)
    assert "5 models in data.read_only_buckets" in problem
    assert "bring models into the models bucket" in problem


def test_pools_are_tried_by_their_priority(tmp_path: Path) -> None:
    (endpoint,) = _load(tmp_path, {"model": PACKAGE, "instance_pools": POOLS[::-1]}).inference.endpoints
    assert [name for name, _ in endpoint.types] == ["ml.g5.xlarge", "ml.g4dn.xlarge"]


def test_a_part_has_what_the_endpoint_says_where_it_says_nothing(tmp_path: Path) -> None:
    variants = [
        {"name": "as-it-is", "model": PACKAGE},
        {
            "name": "other",
            "model": PACKAGE,
            "image": "cpu",
            "instance_type": "ml.m5d.xlarge",
            "environment": {"B": "2"},
        },
    ]
    settings = _load(tmp_path, {"variants": variants, "environment": {"A": "1", "B": "1"}})
    first, second = settings.inference.endpoints[0].served
    assert (first.image, first.environment, first.types[0][0]) == ("inference", {"A": "1", "B": "1"}, "ml.g4dn.xlarge")
    assert (second.image, second.environment, second.types[0][0]) == ("cpu", {"A": "1", "B": "2"}, "ml.m5d.xlarge")


def test_without_anything_to_serve_an_endpoint_is_not_deployed(tmp_path: Path) -> None:
    for mode in ("real-time", "asynchronous", "serverless", "components", "multi-model"):
        (endpoint,) = _load(tmp_path, {"mode": mode, "image": "cpu"} | _cpu(mode)).inference.endpoints
        assert not endpoint.is_deployed


def _cpu(mode: str) -> dict[str, str]:
    stock = {"image": "stock"} if mode == "multi-model" else {}
    return stock if mode == "serverless" else {"instance_type": "ml.m5.xlarge", **stock}
