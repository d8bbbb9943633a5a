"""`hfsm status`: what an environment consists of, for people and for programs."""

import json
from typing import Any


def test_it_shows_training_and_endpoints(hfsm: Any, deploy: Any, serve: Any, request_file: Any) -> None:
    # Given an environment with a finished training and an endpoint
    deploy()
    serve([])
    hfsm("train", request_file())
    # When its status is asked
    result = hfsm("status")
    # Then both are there
    assert result.code == 0, result.err
    assert any("text-classification" in line and "SUCCEEDED" in line for line in result.out.splitlines())
    endpoint = next(line for line in result.out.splitlines() if "dev-sentiment" in line)
    assert "InService" in endpoint
    assert "ml.g4dn.xlarge" in endpoint


def test_as_json_it_is_one_document(hfsm: Any, deploy: Any, serve: Any) -> None:
    deploy()
    serve([])
    document = json.loads(hfsm("status", "--json").out)
    assert document["schema_version"] == "1"
    assert document["environment"] == "dev"
    assert document["job_types"] == [{"name": "text-classification", "runs": []}]
    assert document["endpoints"][0]["instances"] == 1
    assert document["problems"] == []


def test_of_several_models_each_is_shown_and_one_that_waits_is_no_failure(
    hfsm: Any, deploy: Any, put_parameters: Any
) -> None:
    # Given an endpoint with two variants, of which one follows a job type without an approved model
    deploy()
    put_parameters({"inference/words/endpoint-name": "dev-words"})
    put_parameters({"inference/words/model": "old: trained/1/, new: approved text-classification"})
    put_parameters({"models/text-classification/approved": "none"})
    (endpoint,) = json.loads(hfsm("status", "--json").out)["endpoints"]
    assert (endpoint["status"], endpoint["model"]) == ("NotThere", "waits for the first approved model")


def test_of_several_models_each_is_shown_with_the_version_that_it_stands_for(
    hfsm: Any, deploy: Any, serve: Any, put_parameters: Any
) -> None:
    deploy()
    serve([])
    put_parameters({"inference/sentiment/model": "old: trained/1/, new: approved text-classification"})
    put_parameters({"models/text-classification/approved": "4"})
    (endpoint,) = json.loads(hfsm("status", "--json").out)["endpoints"]
    assert endpoint["model"] == "old: trained/1/, new: text-classification/4 (approved)"


def test_an_image_shows_its_build_and_whether_it_was_pushed(hfsm: Any, deploy: Any, image_project: Any) -> None:
    deploy()
    # When its status is asked, then nothing was built or pushed yet
    [image] = json.loads(hfsm("status", "--json").out)["images"]
    assert image == {
        "name": "training",
        "project": "dev-training-image",
        "build": "none",
        "tag": "abc",
        "digest": None,
    }


def test_an_environment_that_is_not_deployed_says_so(hfsm: Any, aws: Any) -> None:
    result = hfsm("status", "--env", "dev")
    assert result.code == 0
    assert "not deployed here" in result.out
