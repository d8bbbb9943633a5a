"""The house: which way the arrows point, and where no package may be."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# room → what it must never import
FORBIDDEN = {
    "constructs/hf_sagemaker": {"stacks", "app", "hfsm", "localcloud", "tests"},
    "constructs/hf_sagemaker/runtime": {"aws_cdk", "hf_sagemaker", "stacks", "hfsm", "localcloud"},
    "stacks": {"app", "hfsm", "localcloud", "boto3"},
    "lambda": {"aws_cdk", "hf_sagemaker", "stacks", "hfsm", "localcloud"},
    "tools/hfsm": {"aws_cdk", "stacks", "app", "localcloud"},
    "tools/localcloud": {"aws_cdk", "stacks", "app", "hfsm", "hf_sagemaker"},
    "benchmarks": {"localcloud"},
}
# modules that stay cheap: settings and catalogues are read without the CDK
WITHOUT_CDK = [
    "stacks/settings.py",
    "stacks/network_settings.py",
    "stacks/image_settings.py",
    "stacks/base_image_settings.py",
    "stacks/container_settings.py",
    "stacks/model_settings.py",
    "stacks/price_settings.py",
    "stacks/file_system_settings.py",
    "stacks/tracking_settings.py",
    "stacks/settings_files.py",
    "stacks/trigger_problems.py",
    "stacks/trigger_settings.py",
    "constructs/hf_sagemaker/dlc_catalog.py",
    "constructs/hf_sagemaker/nearest_regions.py",
    "constructs/hf_sagemaker/base_image.py",
    "constructs/hf_sagemaker/compatibility.py",
    "constructs/hf_sagemaker/file_system.py",
    "constructs/hf_sagemaker/image_extension.py",
    "constructs/hf_sagemaker/image_lock.py",
    "constructs/hf_sagemaker/inference_code.py",
    "constructs/hf_sagemaker/requirements.py",
    "constructs/hf_sagemaker/instance_types.py",
    "constructs/hf_sagemaker/metric_definitions.py",
    "constructs/hf_sagemaker/prices.py",
    "constructs/hf_sagemaker/schedule_expression.py",
    "constructs/hf_sagemaker/trigger_request.py",
    "constructs/hf_sagemaker/service_regions.py",
]


def _tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).exists()]


def _imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("room", FORBIDDEN)
def test_no_arrow_points_back(room: str) -> None:
    files = _tracked(f"{room}/**.py", f"{room}/*.py")
    assert files, f"{room} holds no Python"
    wrong = {str(file.relative_to(ROOT)): bad for file in files if (bad := _imports(file) & FORBIDDEN[room])}
    assert not wrong


@pytest.mark.parametrize("file", WITHOUT_CDK)
def test_settings_and_catalogues_do_not_import_the_cdk(file: str) -> None:
    assert not _imports(ROOT / file) & {"aws_cdk", "constructs", "boto3", "botocore"}


@pytest.mark.parametrize("source_root", ["constructs", "lambda", "tools", "tests"])
def test_source_roots_are_no_packages(source_root: str) -> None:
    # An __init__.py in constructs/, or in any tests/**/constructs/, shadows the PyPI package of that name.
    assert not (ROOT / source_root / "__init__.py").exists()
    if source_root == "tests":
        assert not [file for file in _tracked("tests/**") if file.name == "__init__.py"]


def test_nothing_that_is_deployed_knows_the_embedded_aws() -> None:
    deployed = _tracked("app.py", "stacks/*.py", "constructs/**.py", "lambda/**.py")
    knowing = [str(f) for f in deployed if any(w in f.read_text() for w in ("localcloud", "localhost", "AWS_ENDPOINT"))]
    assert not knowing
