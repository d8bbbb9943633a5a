"""The preparation of data as states: a processing job that makes of raw files what training reads."""

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hf_sagemaker.job_task import JobInstances, JobName
from hf_sagemaker.model_scoring import CODE
from hf_sagemaker.processing_job_task import PROCESSING_PATH, ProcessingJobTask, ProcessingOutput
from hf_sagemaker.state_input import FromInput
from hf_sagemaker.training_attempt import TrainingAttempt
from hf_sagemaker.training_failures import TrainingFailures
from hf_sagemaker.training_job_task import TrainingJobPlace

_ASKED = "$.job.preparation"


class DataPreparation(Construct):
    """Prepares what `$.job.preparation` names; the job's channels name the output already.

    start: the first state.
    """

    wanted = sfn.Condition.and_(
        sfn.Condition.is_present(_ASKED),
        sfn.Condition.not_(
            sfn.Condition.and_(
                sfn.Condition.is_present("$.preparation"),
                sfn.Condition.string_equals("$.preparation.ProcessingJobStatus", "Completed"),
            )
        ),
    )
    """Whether a run, which may have been redriven, has data to prepare yet."""

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
        """Creates the states. image: the path of the training image. max_run: seconds. next_state: follows."""
        super().__init__(scope, construct_id)
        self.start = ProcessingJobTask(
            self,
            "PrepareData",
            place=place,
            image=FromInput(image),
            name=JobName.numbered(f"{_ASKED}.job_name", pattern="*"),
            instances=instances,
            max_run=max_run,
            entry_point=["python", f"{CODE}/prepare_data.py"],
            arguments=FromInput(f"{_ASKED}.arguments"),
            inputs=FromInput(f"{_ASKED}.inputs"),
            outputs={
                "prepared": ProcessingOutput(uri=FromInput(f"{_ASKED}.s3_output"), path=f"{PROCESSING_PATH}prepared")
            },
            job_tags=FromInput("$.job.tags"),
            result_path="$.preparation",
        )
        TrainingAttempt(self, "Preparation", task=self.start, trained=next_state, failed=failures.caught)
