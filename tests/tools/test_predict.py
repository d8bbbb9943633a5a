"""`hfsm predict`: an answer, or what stands in its way."""

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from hfsm.errors import OperatorError
from hfsm.predict import invoke


def test_label_and_score_are_printed(hfsm: Any, serve: Any) -> None:
    # Given an endpoint of the settings
    serve([{"label": "LABEL_1", "score": 0.97}, {"label": "LABEL_0", "score": 0.61}])
    # When two texts are asked
    result = hfsm("predict", "sentiment", "a good film", "a [bold] bad one")
    # Then both answers are printed
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert any("LABEL_1" in line and "0.9700" in line and "a good film" in line for line in lines)
    assert any("LABEL_0" in line and "a [bold] bad one" in line for line in lines)


def test_a_sagemaker_name_does_too(hfsm: Any, serve: Any) -> None:
    serve([{"label": "LABEL_1", "score": 0.97}])
    assert "LABEL_1" in hfsm("predict", "dev-sentiment", "a good film").out


def test_an_unknown_endpoint_is_told_with_those_that_exist(hfsm: Any, serve: Any) -> None:
    serve([])
    result = hfsm("predict", "sentimant", "a good film")
    assert result.code == 2
    assert "no endpoint 'sentimant'. It has: sentiment." in result.err


def test_an_environment_without_endpoints_says_when_one_appears(hfsm: Any, aws: Any) -> None:
    result = hfsm("predict", "sentiment", "a good film")
    assert result.code == 2
    assert "It has none yet." in result.err
    assert "environments/dev.yaml" in result.err


def test_an_answer_that_is_no_classification_is_told(hfsm: Any, serve: Any) -> None:
    serve({"generated_text": "once upon a time"})
    result = hfsm("predict", "sentiment", "a good film")
    assert result.code == 1
    assert "no text classification" in result.err


def test_an_error_of_the_model_is_told_in_its_own_words() -> None:
    # Given an endpoint whose model refuses, as SageMaker reports it
    runtime: Any = boto3.client(
        "sagemaker-runtime", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    with Stubber(runtime) as stub:
        stub.add_client_error(
            "invoke_endpoint",
            service_error_code="ModelError",
            service_message="Received client error (400) from primary",
            http_status_code=424,
            response_meta={"x": "y"},
        )
        stub._queue[0]["response"][1].update(  # type: ignore[attr-defined]
            OriginalStatusCode=400,
            OriginalMessage='{"code": 400, "type": "InternalServerException", "message": "too many tokens"}',
            LogStreamArn="arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/x",
        )
        # When it is asked, then the model's words are in the error
        with pytest.raises(OperatorError, match="answered 400: too many tokens") as error:
            invoke(runtime, "x", ["a"])
    assert "/aws/sagemaker/Endpoints/x" in error.value.message
