"""The evaluation of a trained model on data as states: a processing job that lets it answer."""

from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hf_sagemaker.job_task import JobInstances, JobName
from hf_sagemaker.processing_job_task import PROCESSING_PATH, ProcessingInput, ProcessingJobTask, ProcessingOutput
from hf_sagemaker.state_input import FromInput, formatted
from hf_sagemaker.training_attempt import TrainingAttempt
from hf_sagemaker.training_failures import TrainingFailures
from hf_sagemaker.training_job_task import TrainingJobPlace

_DATA = "$.job.evaluation.s3_data"
_SAID = "$.scoring.ExitMessage"
CODE = "/opt/hf_sagemaker/training"
"""Where the training image has the library's code."""


class ModelScoring(Construct):
    """Evaluates the model of `$.training` on the data at `$.job.evaluation.s3_data`.

    start: the first state. scored: leaves what the job said at `$.job.evaluation.scores`, before the next state.
    """

    wanted = sfn.Condition.is_present(_DATA)
    """Whether a run has data to evaluate on."""
    done = sfn.Condition.and_(
        sfn.Condition.is_present("$.training"),
        sfn.Condition.is_present("$.scoring"),
        sfn.Condition.string_equals("$.scoring.ProcessingJobStatus", "Completed"),
        sfn.Condition.is_present(_SAID),
    )
    """Whether a run, which may have been redriven, has evaluated its model already."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        place: TrainingJobPlace,
        image: str,
        instances: JobInstances,
        max_run: int,
        next_state: sfn.IChainable,
        failures: TrainingFailures,
    ) -> None:
        """Creates the states.

        image: the path of the training image, which holds the script. max_run: seconds.
        next_state: judges the scores. `evaluation.json` goes beside the model, to `evaluation/`.
        """
        super().__init__(scope, construct_id)
        self.scored = sfn.Pass(
            self, "Scored", state_name="Scored", input_path=_SAID, result_path="$.job.evaluation.scores"
        )
        self.scored.next(next_state)
        self.start = ProcessingJobTask(
            self,
            "ScoreModel",
            place=place,
            image=FromInput(image),
            name=JobName.numbered("$.job.evaluation.job_name", pattern="*"),
            instances=instances,
            max_run=max_run,
            entry_point=["python", f"{CODE}/score_model.py"],
            inputs={
                "model": ProcessingInput(
                    uri=FromInput("$.training.ModelArtifacts.S3ModelArtifacts"), path=f"{PROCESSING_PATH}model"
                ),
                "data": ProcessingInput(uri=FromInput(_DATA), path=f"{PROCESSING_PATH}data"),
            },
            outputs={
                "evaluation": ProcessingOutput(
                    uri=_beside_the_model(place.models_bucket, place.prefix), path=f"{PROCESSING_PATH}evaluation"
                )
            },
            job_tags=FromInput("$.job.tags"),
            result_path="$.scoring",
        )
        TrainingAttempt(
            self,
            "Scoring",
            task=self.start,
            instead=[(sfn.Condition.is_present(_SAID), self.scored)],
            trained=self._nothing_said(failures),
            failed=failures.caught,
        )

    def _nothing_said(self, failures: TrainingFailures) -> sfn.Pass:
        return failures.explain(
            "NoScores",
            sfn.JsonPath.format(
                "Processing job {} evaluated the model and said nothing of it. Build the training image again (hfsm "
                "build), then redrive the execution.",
                sfn.JsonPath.string_at("$.scoring.ProcessingJobName"),
            ),
            error="NoScores",
        )


def _beside_the_model(bucket: s3.IBucket, prefix: str) -> FromInput:
    return formatted(f"s3://{bucket.bucket_name}/{prefix}{{}}/evaluation", FromInput("$.training.TrainingJobName"))
