"""The API of processing, transform and tuning jobs, where moto's would only remember them as completed."""

from typing import Any, TypeVar

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import ResourceInUseException, ValidationError
from moto.sagemaker.utils import arn_formatter

from localcloud.sagemaker import (
    processing_request,
    registry,
    state,
    transform_request,
    tuning_request,
)
from localcloud.sagemaker.compute import Compute
from localcloud.sagemaker.monitoring_schedules import MonitoringOperations
from localcloud.sagemaker.processing import ProcessingJob
from localcloud.sagemaker.running_job import RunningJob
from localcloud.sagemaker.training import TrainingJob
from localcloud.sagemaker.transform import TransformJob
from localcloud.sagemaker.tuning import TuningJob

Job = TypeVar("Job", bound=RunningJob)


class JobOperations(MonitoringOperations):
    """The operations that are different here."""

    compute: Compute  # set by install()

    # Processing

    def create_processing_job(self) -> ActionResult:
        request = dict(self._get_params())
        processing_request.check(request)
        jobs = state.processing_jobs(self.sagemaker_backend)
        arn = self._new_arn(ProcessingJob.kind, request["ProcessingJobName"], jobs)
        job = ProcessingJob(self.compute, request, self.current_account, self.region, arn)
        jobs[job.name] = job
        job.start()
        return ActionResult({"ProcessingJobArn": arn})

    def describe_processing_job(self) -> ActionResult:
        return ActionResult(self._processing_job().describe())

    def stop_processing_job(self) -> EmptyResult:
        return self._stop(self._processing_job())

    def _processing_job(self) -> ProcessingJob:
        jobs = state.processing_jobs(self.sagemaker_backend)
        return self._found(ProcessingJob.kind, self._get_param("ProcessingJobName"), jobs)

    # Batch transform

    def create_transform_job(self) -> ActionResult:
        request = dict(self._get_params())
        transform_request.check(request)
        jobs = state.transform_jobs(self.sagemaker_backend)
        arn = self._new_arn(TransformJob.kind, request["TransformJobName"], jobs)
        model = registry.served_model(self.sagemaker_backend, request["ModelName"])
        job = TransformJob(self.compute, request, self.current_account, self.region, arn, model)
        jobs[job.name] = job
        job.start()
        return ActionResult({"TransformJobArn": arn})

    def describe_transform_job(self) -> ActionResult:
        return ActionResult(self._transform_job().describe())

    def stop_transform_job(self) -> EmptyResult:
        """moto has none."""
        return self._stop(self._transform_job())

    def _transform_job(self) -> TransformJob:
        jobs = state.transform_jobs(self.sagemaker_backend)
        return self._found(TransformJob.kind, self._get_param("TransformJobName"), jobs)

    # Tuning

    def create_hyper_parameter_tuning_job(self) -> ActionResult:
        request = dict(self._get_params())
        tuning_request.check(request)
        jobs = state.tuning_jobs(self.sagemaker_backend)
        arn = self._new_arn(TuningJob.kind, request["HyperParameterTuningJobName"], jobs)
        account, region, children = self.current_account, self.region, state.training_jobs(self.sagemaker_backend)

        def train(child: dict[str, Any], tuning_job_arn: str) -> TrainingJob:
            name = child["TrainingJobName"]
            job = TrainingJob(
                self.compute, child, account, region, arn_formatter("training-job", name, account, region)
            )
            job.tuning_job_arn = tuning_job_arn
            children[name] = job
            job.start()
            return job

        job = TuningJob(self.compute, request, account, region, arn, train, self._parents(request, jobs))
        jobs[job.name] = job
        job.start()
        return ActionResult({"HyperParameterTuningJobArn": arn})

    def _parents(self, request: dict[str, Any], jobs: dict[str, TuningJob]) -> list[TuningJob]:
        """ValidationError: one is not there, still runs, or cannot be compared."""
        given = (request.get("WarmStartConfig") or {}).get("ParentHyperParameterTuningJobs") or []
        parents = [self._found(TuningJob.kind, parent["HyperParameterTuningJobName"], jobs) for parent in given]
        for parent in parents:
            if parent.end_time is None:
                raise ValidationError(f"The parent tuning job {parent.name} has not ended: it is {parent.status}")
            if problems := tuning_request.parent_problems(request, parent.request):
                raise ValidationError("; ".join(problems))
        return parents

    def describe_hyper_parameter_tuning_job(self) -> ActionResult:
        return ActionResult(self._tuning_job().describe())

    def stop_hyper_parameter_tuning_job(self) -> EmptyResult:
        """moto has none."""
        return self._stop(self._tuning_job())

    def list_training_jobs_for_hyper_parameter_tuning_job(self) -> ActionResult:
        """moto has none. All in one page, in the order in which they were created."""
        children = self._tuning_job().children
        if status := self._get_param("StatusEquals"):
            children = [child for child in children if child.job.training_job_status == status]
        return ActionResult({"TrainingJobSummaries": [child.summary() for child in children]})

    def _tuning_job(self) -> TuningJob:
        jobs = state.tuning_jobs(self.sagemaker_backend)
        return self._found(TuningJob.kind, self._get_param("HyperParameterTuningJobName"), jobs)

    # What all have

    def _stop(self, job: RunningJob) -> EmptyResult:
        if job.end_time is not None:
            raise ValidationError(f"The request was rejected because the {job.kind} is in status {job.status}.")
        job.stop()
        return EmptyResult()

    def _new_arn(self, kind: str, name: str, jobs: dict[str, Any]) -> str:
        arn = self._job_arn(kind, name)
        if name in jobs:
            raise ResourceInUseException(
                f"Job names must be unique within an AWS account and Region, and a job with this name already exists "
                f"({arn})"
            )
        return arn

    def _found(self, kind: str, name: str, jobs: dict[str, Job]) -> Job:
        job = jobs.get(name)
        if job is None:
            raise ValidationError(f"Requested resource not found: {self._job_arn(kind, name)}")
        return job

    def _job_arn(self, kind: str, name: str) -> str:
        return str(arn_formatter(kind, name, self.current_account, self.region))
