"""MLflow in the settings: which tracking servers an environment may name."""

from pathlib import Path

import pytest
import yaml

from stacks.settings_files import SettingsError, load_environments

ROOT = Path(__file__).parents[2]
ARN = "arn:aws:sagemaker:us-east-1:123456789012:mlflow-tracking-server/experiments"


def _load(folder: Path, arn: str) -> str:
    content = yaml.safe_load((ROOT / "environments/dev.yaml").read_text())
    content["training"]["mlflow"] = {"tracking_server_arn": arn}
    (folder / "dev.yaml").write_text(yaml.safe_dump(content))
    settings = load_environments(folder)["dev"]
    assert settings.training.mlflow
    return settings.training.mlflow.tracking_server_arn


def test_a_server_of_the_environments_account_and_region_is_taken(tmp_path: Path) -> None:
    assert _load(tmp_path, ARN) == ARN


@pytest.mark.parametrize(
    ("arn", "words"),
    [
        (ARN.replace("us-east-1", "eu-west-1"), "must be a tracking server of this environment's region and account"),
        (ARN.replace("123456789012", "210987654321"), "must be a tracking server of this environment's region"),
        (ARN.replace("arn:aws:", "arn:aws-cn:"), "have no known address in aws-cn"),
        (ARN.replace("mlflow-tracking-server", "mlflow-app"), "training.mlflow.tracking_server_arn"),
        ("https://us-east-1.experiments.sagemaker.aws", "training.mlflow.tracking_server_arn"),
    ],
)
def test_any_other_is_refused(tmp_path: Path, arn: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, arn)
    assert words in "\n".join(caught.value.problems)
