"""The state machine, turned back into its definition."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from aws_cdk.assertions import Template

from hf_sagemaker import dlc_catalog
from hf_sagemaker.execution_roles import ExecutionRoles
from hf_sagemaker.extended_image import ExtendedImage
from hf_sagemaker.image_extension import ImageExtension
from hf_sagemaker.instance_types import UnknownInstanceTypeError
from hf_sagemaker.training_defaults import TrainingDefaults
from hf_sagemaker.training_workflow import HuggingFaceTraining

LAMBDA = Path(__file__).parents[2] / "lambda"


def _workflow(stack: Any, defaults: TrainingDefaults) -> dict[str, Any]:
    """The definition; references show as `${…}`."""
    roles = ExecutionRoles(stack, "Roles")
    images = {
        name: ExtendedImage(
            stack,
            name,
            extension=ImageExtension(
                purpose=purpose, base=dlc_catalog.resolve(purpose, transformers=version, region="us-east-1")
            ),
            repository_name=f"hf-sagemaker/dev/{name}",
            keys=stack.keys,
            role=roles.building,
            artifacts=stack.buckets.builds,
            parameter_path=f"/hf-sagemaker/dev/images/{name}",
        )
        for name, purpose, version in (
            ("training", "training", "4.49.0"),
            ("whisper", "training", "4.49.0"),
            ("inference", "inference", "4.51.3"),
        )
    }
    HuggingFaceTraining(
        stack,
        "Workflow",
        job_type="text",
        environment="dev",
        defaults=defaults,
        training_images={name: images[name].by_digest for name in ("training", "whisper")},
        inference_image=images["inference"].by_digest,
        unfit_images={"neuron": "It does not fit."},
        roles=roles,
        placement=stack.placement,
        keys=stack.keys,
        buckets=stack.buckets,
        function_root=LAMBDA,
    )
    (machine,) = Template.from_stack(stack).find_resources("AWS::StepFunctions::StateMachine").values()
    parts = machine["Properties"]["DefinitionString"]["Fn::Join"][1]
    text = "".join(part if isinstance(part, str) else "${" + json.dumps(part).replace('"', "'") + "}" for part in parts)
    definition: dict[str, Any] = json.loads(text)
    return definition


@pytest.fixture
def definition(stack: Any) -> dict[str, Any]:
    return _workflow(stack, TrainingDefaults(instance_types=["ml.g4dn.xlarge"]))


@pytest.mark.parametrize(("state", "spot"), [("TrainOnSpot", True), ("TrainOnDemand", False)])
def test_both_attempts_run_in_the_vpc_encrypted_isolated_and_with_checkpoints(
    definition: dict[str, Any], state: str, spot: bool
) -> None:
    job = definition["States"][state]["Parameters"]
    assert definition["States"][state]["Resource"] == "arn:aws:states:::sagemaker:createTrainingJob.sync"
    assert job["EnableManagedSpotTraining"] is spot
    assert job["CheckpointConfig"] == {"S3Uri.$": "$.job.checkpoint_s3_uri", "LocalPath": "/opt/ml/checkpoints"}
    assert job["VpcConfig"] == {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
    assert job["EnableInterContainerTrafficEncryption"] is True
    assert job["EnableNetworkIsolation"] is True
    assert job["OutputDataConfig"]["KmsKeyId"].endswith("key/models")


def test_only_spot_waits(definition: dict[str, Any]) -> None:
    states = definition["States"]
    assert "MaxWaitTimeInSeconds.$" in states["TrainOnSpot"]["Parameters"]["StoppingCondition"]
    assert "MaxWaitTimeInSeconds.$" not in states["TrainOnDemand"]["Parameters"]["StoppingCondition"]


def test_a_job_type_without_checkpoints_keeps_none(stack: Any) -> None:
    definition = _workflow(
        stack, TrainingDefaults(instance_types=["ml.g4dn.xlarge"], use_spot_instances=False, checkpoints=False)
    )
    assert "CheckpointConfig" not in definition["States"]["TrainOnDemand"]["Parameters"]
    assert definition["States"]["Validate"]["Parameters"]["defaults"]["checkpoints"] is False


def test_what_decides_access_is_no_matter_of_the_request(definition: dict[str, Any]) -> None:
    # Given the members that say as whom, where and with which keys a job runs
    job = definition["States"]["TrainOnSpot"]["Parameters"]
    fixed = [job["RoleArn"], job["VpcConfig"], job["OutputDataConfig"]]
    # Then none is read from the input
    assert "$." not in json.dumps(fixed)
    assert not {"RoleArn.$", "VpcConfig.$", "OutputDataConfig.$"} & set(job)


def _whose(pattern: str) -> str:
    """The repository of a pattern that lets pass what lies there by its digest."""
    assert pattern.endswith("@sha256:*")
    (name,) = re.findall(r"'(\w+?)Repository", pattern.rsplit("/", 1)[1])
    return str(name)


def test_a_run_goes_on_only_with_digests_in_the_images_own_repositories(definition: dict[str, Any]) -> None:
    # Given the states that read both images' parameters, and the one that judges what they say
    states = definition["States"]
    for name, following in (("ReadTrainingImage", "ReadInferenceImage"), ("ReadInferenceImage", "ImagesBuilt")):
        assert states[name]["Resource"] == "arn:aws:states:::aws-sdk:ssm:getParameter"
        assert states[name]["Next"] == following
    # Then for each image that a request may name there is one way, with a digest in its repository and in the model's
    assert {way["Next"] for way in _ways(states)} == {"Way"}
    for way, name in zip(_ways(states), ["training", "whisper"], strict=True):
        wanted = {rule["Variable"]: _whose(rule["StringMatches"]) for rule in way["And"] if "StringMatches" in rule}
        assert wanted == {"$.trainingImage.uri": name, "$.inferenceImage.uri": "inference"}
    # And anything else tells people what to do
    assert states["ImagesBuilt"]["Default"] == "ImageMissing"
    assert "run hfsm build" in states["ImageMissing"]["Parameters"]["Cause.$"]


def test_an_image_that_is_named_is_the_one_that_runs(definition: dict[str, Any]) -> None:
    # Given a job type with two images, and a request that names one of them
    states = definition["States"]
    assert states["ReadTrainingImage"]["Parameters"] == {"Name.$": "$.job.image.parameter"}
    # Then the workflow goes on with that one's repository only
    chosen = [(way["And"][0]["Variable"], way["And"][0]["StringEquals"]) for way in _ways(states)]
    assert chosen == [("$.job.image.name", "training"), ("$.job.image.name", "whisper")]
    # And the model is served by the job type's
    assert states["ReadInferenceImage"]["Parameters"]["Name"].endswith("/inference/digest")


def _ways(states: dict[str, Any]) -> list[dict[str, Any]]:
    ways: list[dict[str, Any]] = states["ImagesBuilt"]["Choices"]
    return ways


def test_the_first_state_knows_the_images_by_name(definition: dict[str, Any]) -> None:
    defaults = definition["States"]["Validate"]["Parameters"]["defaults"]
    assert defaults["image"] == "training"
    assert {name: name in text for name, text in defaults["images"].items()} == {"training": True, "whisper": True}
    assert defaults["unfit_images"] == {"neuron": "It does not fit."}


def test_the_workflow_may_read_exactly_these_digests(stack: Any, definition: dict[str, Any]) -> None:
    policies = Template.from_stack(stack).find_resources("AWS::IAM::ManagedPolicy").items()
    (document,) = [p["Properties"]["PolicyDocument"] for name, p in policies if "OrchestrationPolicy" in name]
    (reads,) = [statement for statement in document["Statement"] if statement["Action"] == "ssm:GetParameter"]
    read = re.findall(r'"(\w+?)BuildDigest', json.dumps(reads["Resource"]))
    assert sorted(read) == ["inference", "training", "whisper"]


def test_jobs_and_models_name_the_image_that_was_read(definition: dict[str, Any]) -> None:
    states = definition["States"]
    for name in ("TrainOnSpot", "TrainOnDemand"):
        assert states[name]["Parameters"]["AlgorithmSpecification"]["TrainingImage.$"] == "$.trainingImage.uri"
    (container,) = states["Register"]["Parameters"]["InferenceSpecification"]["Containers"]
    assert container["Image.$"] == "$.inferenceImage.uri"


def test_every_path_ends_and_every_state_is_reached(definition: dict[str, Any]) -> None:
    states = definition["States"]
    reached, todo = set(), [definition["StartAt"]]
    while todo:
        name = todo.pop()
        if name in reached:
            continue
        reached.add(name)
        state = states[name]
        following = [state.get("Next"), state.get("Default")]
        following += [branch["Next"] for branch in state.get("Choices", []) + state.get("Catch", [])]
        if not any(following):
            assert state.get("End") or state["Type"] in ("Succeed", "Fail"), name
        todo += [f for f in following if f]
    assert reached == set(states)


def test_every_task_that_may_fail_is_caught(definition: dict[str, Any]) -> None:
    for name, state in definition["States"].items():
        if state["Type"] == "Task" and name != "Failed":
            assert {"States.ALL"} <= {e for c in state["Catch"] for e in c["ErrorEquals"]}, name


def test_retries_are_jittered_and_finite(definition: dict[str, Any]) -> None:
    for state in definition["States"].values():
        if state["Type"] == "Task":
            assert state["Retry"]
            for retry in state["Retry"]:
                assert retry["JitterStrategy"] == "FULL"
                assert 0 < retry["MaxAttempts"] < 10
                # A script that failed fails again: what it did must not be paid for twice.
                assert "States.TaskFailed" not in retry["ErrorEquals"]


@pytest.mark.parametrize("state", ["TrainOnSpot", "TrainOnDemand"])
def test_throttling_is_retried_and_a_quota_that_is_used_up_is_not(definition: dict[str, Any], state: str) -> None:
    retried = {error for retry in definition["States"][state]["Retry"] for error in retry["ErrorEquals"]}
    assert "SageMaker.AmazonSageMakerException" in retried
    assert "SageMaker.ResourceLimitExceededException" not in retried


def test_a_quota_names_itself_and_what_else_can_be_done(definition: dict[str, Any]) -> None:
    states = definition["States"]
    first = states["WhatFailed"]["Choices"][0]
    assert first["And"][0]["StringEquals"] == "SageMaker.ResourceLimitExceededException"
    words = states[first["Next"]]["Parameters"]["Cause.$"]
    assert "Service Quotas console" in words
    assert "{} for training job usage" in words
    assert "{} for spot training job usage" in words
    assert "$.job.resources.InstanceType" in words


@pytest.mark.parametrize(("attempt", "task"), [("Spot", "TrainOnSpot"), ("OnDemand", "TrainOnDemand")])
def test_a_job_that_exists_already_is_waited_for(definition: dict[str, Any], attempt: str, task: str) -> None:
    states = definition["States"]
    # Given an attempt whose job's name is in use
    first = states[task]["Catch"][0]
    assert first["ErrorEquals"] == ["SageMaker.ResourceInUseException"]
    # Then the job of that very name is looked at, until it has ended
    look = states[first["Next"]]
    assert look["Resource"] == "arn:aws:states:::aws-sdk:sagemaker:describeTrainingJob"
    assert look["Parameters"] == {"TrainingJobName.$": states[task]["Parameters"]["TrainingJobName.$"]}
    assert look["Next"] == states[task]["Next"] == f"{attempt}Outcome"
    scored, completed, running = states[f"{attempt}Outcome"]["Choices"]
    assert [scored["Next"], completed["Next"]] == ["ScoreModel", "Evaluate"]
    assert states[running["Next"]]["Type"] == "Wait"
    assert states[running["Next"]]["Next"] == first["Next"]


def test_a_redriven_job_has_another_name(definition: dict[str, Any]) -> None:
    names = {definition["States"][s]["Parameters"]["TrainingJobName.$"] for s in ("TrainOnSpot", "TrainOnDemand")}
    assert names == {
        f"States.Format('{{}}-{{}}', $.job.{job}, $$.Execution.RedriveCount)"
        for job in ("spot_job_name", "on_demand_job_name")
    }


def test_an_execution_that_failed_can_be_redriven(definition: dict[str, Any]) -> None:
    states = definition["States"]
    # Given that a Fail state which is redriven fails again, and a task which is redriven runs again
    assert not [name for name, state in states.items() if state["Type"] == "Fail"]
    assert states["Failed"]["Resource"].endswith(":sendTaskFailure.waitForTaskToken")
    # Then the last state catches that it was redriven, and goes on behind what is done
    (redriven,) = states["Failed"]["Catch"]
    assert redriven["ErrorEquals"] == ["Redriven"]
    chosen = states[redriven["Next"]]
    assert [choice["Next"] for choice in chosen["Choices"]] == ["ReadTrainingImage"]
    assert chosen["Default"] == "Validate"
    assert [choice["Next"] for choice in states["Way"]["Choices"]] == [
        "GatePassed",
        "Scored",
        "ScoreModel",
        "Evaluate",
        "DescribeBest",
        "PrepareData",
        "HowToTune",
        "TrainOnSpot",
    ]
    # And what stands in a request that was refused is forgotten, so that it cannot pass for what was done
    assert states["Validate"]["Catch"][0]["ResultPath"] == "$"
    assert states[states["Validate"]["Catch"][0]["Next"]]["Parameters"] == {"failure.$": "$"}
    # And the request is the execution's, not what the failure has left
    assert states["Validate"]["Parameters"]["request.$"] == "$$.Execution.Input"


def test_no_text_of_a_function_ends_early(definition: dict[str, Any]) -> None:
    # Given that an apostrophe ends a text of States.Format, which no tool refuses
    for name, state in definition["States"].items():
        for expression in state.get("Parameters", {}).values():
            if isinstance(expression, str) and expression.startswith("States.Format('"):
                assert not re.search(r"\w'\w", expression), name


def test_each_failure_says_what_to_do(definition: dict[str, Any]) -> None:
    states = definition["States"]
    explained = {name: state for name, state in states.items() if state.get("Next") == "Failed"}
    assert len(explained) >= 12
    for name, state in explained.items():
        assert state["Parameters"]["Redrives.$"] == "$$.Execution.RedriveCount", name
        # What a function refuses has its own words.
        words = state["Parameters"]["Cause.$"]
        assert name == "FunctionRefused" or re.search("start again|[Rr]edrive|new request", words), name


def test_the_execution_outlasts_its_tasks(definition: dict[str, Any]) -> None:
    limits = {name: s["TimeoutSeconds"] for name, s in definition["States"].items() if s["Type"] == "Task"}
    # Given the longest job that SageMaker runs
    assert limits["TrainOnSpot"] > 28 * 24 * 3600
    # And the longest of the ways, which either trains or searches, on spot and then on demand
    attempts = [
        ("TrainOnSpot", "TrainOnDemand"),
        ("TuneOnSpot", "TuneOnDemand"),
        ("TuneWarmOnSpot", "TuneWarmOnDemand"),
    ]
    longest = max(sum(limits[name] for name in way) for way in attempts)
    others = sum(seconds for name, seconds in limits.items() if not name.startswith(("Train", "Tune")))
    assert definition["TimeoutSeconds"] > longest + others
    # And what looks for a job's end looks soon
    assert all(s["Seconds"] <= 60 for s in definition["States"].values() if s["Type"] == "Wait")


def test_a_failure_without_a_cause_is_explained_too(definition: dict[str, Any]) -> None:
    # A time limit that runs out has a name and no cause
    states = definition["States"]
    assert states["WhatFailed"]["Default"] == "FailedWithoutCause"
    assert states["FailedWithoutCause"]["Parameters"]["Error.$"] == "$.failure.Error"


def test_a_model_waits_for_a_persons_approval(definition: dict[str, Any]) -> None:
    register = definition["States"]["Register"]["Parameters"]
    assert register["ModelApprovalStatus"] == "PendingManualApproval"
    assert register["ModelPackageGroupName"] == "dev-text"


def test_only_with_approve_at_the_evaluation_may_approve_and_no_request_says_from_when(stack: Any) -> None:
    defaults = TrainingDefaults(instance_types=["ml.g4dn.xlarge"], approve_at=0.9, model_card={"risk_rating": "Low"})
    states = _workflow(stack, defaults)["States"]
    register = states["Register"]["Parameters"]
    assert register["ModelApprovalStatus.$"] == "$.result.registration.approval_status"
    rules = states["Evaluate"]["Parameters"]["registry"]
    assert (rules["metric"], rules["approve_at"], rules["card"]) == ("eval_accuracy", 0.9, {"risk_rating": "Low"})
    assert not [name for name in rules if name.endswith(".$")]


def test_the_card_is_a_draft_whoever_approves(definition: dict[str, Any]) -> None:
    card = definition["States"]["Register"]["Parameters"]["ModelCard"]
    assert card["ModelCardStatus"] == "Draft"


def test_the_run_is_encrypted_traced_and_logged_without_its_data(stack: Any, definition: dict[str, Any]) -> None:
    (machine,) = Template.from_stack(stack).find_resources("AWS::StepFunctions::StateMachine").values()
    properties = machine["Properties"]
    assert properties["EncryptionConfiguration"]["Type"] == "CUSTOMER_MANAGED_KMS_KEY"
    assert properties["TracingConfiguration"] == {"Enabled": True}
    assert properties["LoggingConfiguration"]["Level"] == "ALL"
    assert properties["LoggingConfiguration"]["IncludeExecutionData"] is False


def test_defaults_reach_the_first_state_as_asked(stack: Any) -> None:
    definition = _workflow(
        stack,
        TrainingDefaults(
            instance_types=["ml.p3.2xlarge", "ml.g5.xlarge"], max_run=60, max_wait=90, metric="loss", minimum=0.25
        ),
    )
    defaults = definition["States"]["Validate"]["Parameters"]["defaults"]
    assert defaults["instance_type"] == "ml.p3.2xlarge"
    assert defaults["instance_types"] == {"ml.p3.2xlarge": True, "ml.g5.xlarge": False}  # takes a volume key?
    assert (defaults["max_run"], defaults["max_wait"]) == (60, 90)
    assert defaults["evaluation"] == {"metric": "loss", "minimum": 0.25}


def test_what_the_allowed_gpus_lack_reaches_the_first_state(stack: Any) -> None:
    # Given a job type that may run on T4 and on A10G
    definition = _workflow(stack, TrainingDefaults(instance_types=["ml.g5.xlarge", "ml.g4dn.xlarge"]))
    # Then requests are held against what the older of them has not
    rules = definition["States"]["Validate"]["Parameters"]["defaults"]["precision"]
    assert [rule["lacking"] for rule in rules] == [{"ml.g4dn.xlarge": "has 7.5"}] * 2
    assert "bf16" in rules[0]["hyperparameters"]


def test_an_unknown_instance_type_is_refused(stack: Any) -> None:
    with pytest.raises(UnknownInstanceTypeError, match=r"ml\.g4dn"):
        _workflow(stack, TrainingDefaults(instance_types=["ml.g4dn.3xlarge"]))


_JOBS_OF_STEPS = ("PrepareData", "ScoreModel", "TuneOnSpot", "TuneOnDemand", "TuneWarmOnSpot", "TuneWarmOnDemand")


@pytest.mark.parametrize("state", _JOBS_OF_STEPS)
def test_a_job_around_training_is_in_the_same_place_and_decides_no_access(
    definition: dict[str, Any], state: str
) -> None:
    request = definition["States"][state]["Parameters"]
    job = request.get("TrainingJobDefinition") or request | request["NetworkConfig"] | request["AppSpecification"]
    assert job["VpcConfig"] == {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
    assert job["EnableNetworkIsolation"] is True
    assert job["EnableInterContainerTrafficEncryption"] is True
    assert (job.get("OutputDataConfig") or job["ProcessingOutputConfig"])["KmsKeyId"].endswith("key/models")
    # And no input says as whom it runs
    assert "$." not in json.dumps(job["RoleArn"])
    image = job.get("AlgorithmSpecification", {}).get("TrainingImage.$") or job["ImageUri.$"]
    assert image == "$.trainingImage.uri"


@pytest.mark.parametrize("state", _JOBS_OF_STEPS)
def test_a_job_around_training_that_exists_already_is_waited_for(definition: dict[str, Any], state: str) -> None:
    states = definition["States"]
    catch = states[state]["Catch"][0]
    assert catch["ErrorEquals"] == ["SageMaker.ResourceInUseException"]
    look = states[catch["Next"]]
    (name,) = look["Parameters"].items()
    assert name in states[state]["Parameters"].items()
    assert look["ResultPath"] == states[state]["ResultPath"]


@pytest.mark.parametrize(("state", "spot", "warm"), [(s, "Spot" in s, "Warm" in s) for s in _JOBS_OF_STEPS[2:]])
def test_searches_are_what_their_states_are_called(
    definition: dict[str, Any], state: str, spot: bool, warm: bool
) -> None:
    request = definition["States"][state]["Parameters"]
    children = request["TrainingJobDefinition"]
    assert children["EnableManagedSpotTraining"] is spot
    assert ("MaxWaitTimeInSeconds.$" in children["StoppingCondition"]) is spot
    assert children["CheckpointConfig"]["S3Uri.$"] == "$.job.checkpoint_s3_uri"
    assert ("WarmStartConfig.$" in request) is warm


def test_the_best_of_a_search_goes_the_way_of_a_single_job(definition: dict[str, Any]) -> None:
    states = definition["States"]
    best = states["DescribeBest"]
    assert best["Parameters"] == {"TrainingJobName.$": "$.tuning.BestTrainingJob.TrainingJobName"}
    assert best["ResultPath"] == states["TrainOnSpot"]["ResultPath"]
    after = states[best["Next"]]
    assert [after["Choices"][0]["Next"], after["Default"]] == ["ScoreModel", "Evaluate"]


def test_a_plain_run_meets_no_state_of_the_others(definition: dict[str, Any]) -> None:
    # Given what a request without preparation, search and data to evaluate on has
    states, state, entered = definition["States"], definition["StartAt"], []
    plain = {"Way": "TrainOnSpot", "ImagesBuilt": "Way", "SpotOutcome": "Evaluate", "GatePassed": "Register"}
    while True:
        entered.append(state)
        if states[state].get("End"):
            break
        state = plain.get(state) or states[state]["Next"]
    # Then it enters as many states as before there were any of these
    assert len(entered) == 11
    assert not set(entered) & set(_JOBS_OF_STEPS)


def test_instances_of_processing_are_the_settings_or_the_first_that_can(stack: Any) -> None:
    assert TrainingDefaults(instance_types=["ml.p5.48xlarge"]).processing is None
    first = TrainingDefaults(instance_types=["ml.p5.48xlarge", "ml.g5.xlarge"]).processing
    assert first
    assert first.type == "ml.g5.xlarge"
    # And where there are none, there are no such states, and requests are told so
    definition = _workflow(stack, TrainingDefaults(instance_types=["ml.p4d.24xlarge"]))
    assert not {"PrepareData", "ScoreModel"} & set(definition["States"])
    assert definition["States"]["Validate"]["Parameters"]["defaults"]["processing"] is False
