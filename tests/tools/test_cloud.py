"""Which AWS, and which region of it, a command talks to."""

import pytest

from hfsm.cloud import Cloud


def test_the_region_of_the_other_sdks_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given only the variable that the CDK and the other SDKs read, and boto3 does not
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert Cloud().client("ssm").meta.region_name == "eu-west-1"


def test_the_embedded_aws_never_gets_the_operators_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the-operators-own")
    client = Cloud(endpoint_url="http://localhost:1", local=True).client("ssm")
    assert client._request_signer._credentials.access_key != "the-operators-own"
