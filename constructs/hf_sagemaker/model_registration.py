"""The registration of a trained model as states: what the registry is told of it."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.buckets import EnvironmentBuckets
from hf_sagemaker.execution_roles import REPORTS_PREFIX, SOURCES_PREFIX, TRAINED_PREFIX
from hf_sagemaker.place import place_of

_ANSWER_SECONDS = 120


class ModelRegistration(Construct):
    """Registers the model whose evaluation, and what the registry is told, lie at `$.result`, and ends the run.

    start: the first state.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        group: str,
        image: str,
        task: str,
        failed: sfn.IChainable,
        approves: bool = False,
    ) -> None:
        """Creates the states.

        group: name of the model package group. image: the path of the image that serves the model, by its digest.
        task: becomes HF_TASK of the model. failed: follows an error, which lies at `$.failure`.
        approves: the evaluation may approve the model. Omitted: a person does, whatever the evaluation says.
        """
        super().__init__(scope, construct_id)
        status = {"ModelApprovalStatus": "PendingManualApproval"}
        if approves:
            status = {"ModelApprovalStatus.$": "$.result.registration.approval_status"}
        registration = self._registration(group, image, task, status)
        registration.add_catch(failed, result_path="$.failure")
        registration.next(self._done())
        self.start = registration

    def _registration(self, group: str, image: str, task: str, status: Mapping[str, str]) -> sfn.CustomState:
        types = ["application/json"]
        return sfn.CustomState(
            self,
            "Register",
            state_json={
                "Type": "Task",
                "Resource": f"arn:{place_of(self).partition}:states:::aws-sdk:sagemaker:createModelPackage",
                "Parameters": {
                    # An answer that got lost must not leave a second version: an execution registers one model.
                    "ClientToken.$": "States.Hash($$.Execution.Id, 'MD5')",
                    "ModelPackageGroupName": group,
                    **status,
                    "ModelPackageDescription.$": "$.result.registration.description",
                    "CustomerMetadataProperties.$": "$.result.registration.metadata",
                    "ModelCard": {
                        # People have not looked at it yet, also where the metric has approved the model.
                        "ModelCardStatus": "Draft",
                        "ModelCardContent.$": "$.result.registration.card",
                    },
                    "InferenceSpecification": {
                        "Containers": [
                            {
                                "Image.$": image,
                                "ModelDataUrl.$": "$.result.training.model_data",
                                "Environment": {"HF_TASK": task, "HF_HUB_OFFLINE": "1"},
                            }
                        ],
                        "SupportedContentTypes": types,
                        "SupportedResponseMIMETypes": types,
                    },
                },
                "ResultPath": "$.registration",
                "TimeoutSeconds": _ANSWER_SECONDS,
                "Retry": [
                    {
                        "ErrorEquals": ["SageMaker.SageMakerException", "SageMaker.SdkClientException"],
                        "IntervalSeconds": 2,
                        "BackoffRate": 2,
                        "MaxAttempts": 4,
                        "MaxDelaySeconds": 60,
                        "JitterStrategy": "FULL",
                    }
                ],
            },
        )

    def _done(self) -> sfn.Pass:
        return sfn.Pass(
            self,
            "Done",
            state_name="Done",
            parameters={
                "training.$": "$.result.training",
                "evaluation.$": "$.result.evaluation",
                "model_package_arn.$": "$.registration.ModelPackageArn",
                "model_approval_status.$": "$.result.registration.approval_status",
                "code.$": "$.job.code",
            },
        )


def registration_rules(
    *,
    job_type: str,
    environment: str,
    metric: str,
    approve_at: float | None,
    model_card: Mapping[str, str],
    models: s3.IBucket,
) -> dict[str, Any]:
    """What the environment decides of registrations, as `evaluate_model.registration.Rules` reads it.

    metric, approve_at: see `TrainingDefaults`. models: the bucket where reports of runs lie.
    """
    return {
        "job_type": job_type,
        "environment": environment,
        "metric": metric,
        **({} if approve_at is None else {"approve_at": approve_at}),
        "card": dict(model_card),
        "reports": models.s3_url_for_object(f"{REPORTS_PREFIX}{job_type}/"),
    }


def note_versions(buckets: EnvironmentBuckets) -> list[allow.Permission]:
    """To see which versions of its data a run begins with: by listing what jobs read, and reading none of it."""
    return [
        *(allow.list_objects(buckets.models, prefix) for prefix in (SOURCES_PREFIX, TRAINED_PREFIX)),
        *(allow.list_objects(bucket, "") for bucket in (buckets.data, *(each for each, _ in buckets.read_only))),
    ]
