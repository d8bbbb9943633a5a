"""A stack of state machines, one for each kind of job, as a user of the library would write it."""

import json
from typing import Any

from aws_cdk import App, CfnOutput, DefaultStackSynthesizer, Environment, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn

from hf_sagemaker import permissions as allow
from hf_sagemaker.job_task import JobInstances, JobName, JobTask
from hf_sagemaker.placement import Placement
from hf_sagemaker.processing_job_task import ProcessingInput, ProcessingJobTask, ProcessingOutput
from hf_sagemaker.state_input import FromInput, formatted
from hf_sagemaker.training_job import TrainingJob
from hf_sagemaker.training_job_task import TrainingJobPlace, TrainingJobTask
from hf_sagemaker.transform_job_task import Batches, TransformJobTask
from hf_sagemaker.tuning import ParameterRange, Strategy, Tuning
from hf_sagemaker.tuning_job_task import TuningJobTask

MODE = FromInput("$.mode")
INSTANCES = JobInstances(type="ml.m5.large")


class JobMachines(Stack):
    """One state machine for each kind of job. Each takes `{"mode": "work" | "fail" | "sleep"}`."""

    def __init__(self, *, image: str, bucket: str, model: str) -> None:
        app = App(builtin_cloud_formation_validation=False, analytics_reporting=False)
        super().__init__(
            app,
            "Jobs",
            env=Environment(account="123456789012", region="us-east-1"),
            synthesizer=DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
        )
        self._image = image
        self._bucket = s3.Bucket.from_bucket_name(self, "Bucket", bucket)
        self._key = kms.Key.from_key_arn(self, "Key", f"arn:aws:kms:us-east-1:{self.account}:key/jobs")
        self._place = self._make_place()
        self._machine("Training", self._training())
        self._machine("Tuning", self._tuning())
        self._machine("Processing", self._processing())
        self._machine("Transform", self._transform(model))

    @property
    def template(self) -> str:
        """As CloudFormation takes it."""
        app: Any = self.node.root
        return json.dumps(app.synth().get_stack_by_name("Jobs").template)

    def _make_place(self) -> TrainingJobPlace:
        vpc = ec2.Vpc.from_vpc_attributes(
            self,
            "Vpc",
            vpc_id="vpc-1",
            availability_zones=["us-east-1a", "us-east-1b"],
            isolated_subnet_ids=["subnet-1", "subnet-2"],
        )
        group = ec2.SecurityGroup.from_security_group_id(self, "Group", "sg-1", mutable=False)
        return TrainingJobPlace(
            role=iam.Role(self, "JobRole", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com")),
            placement=Placement(vpc=vpc, subnets=vpc.isolated_subnets, security_groups=[group]),
            key=self._key,
            models_bucket=self._bucket,
            prefix="models/",
        )

    def _machine(self, name: str, task: JobTask) -> None:
        role = iam.Role(self, f"{name}Role", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
        policy = allow.DutyPolicy(self, f"{name}Policy", role=role, permissions=task.permissions)
        machine = sfn.StateMachine(
            self,
            f"{name}Machine",
            definition_body=sfn.DefinitionBody.from_chainable(task),
            role=role.without_policy_updates(),
        )
        machine.node.add_dependency(policy)
        CfnOutput(self, name, value=machine.state_machine_arn)

    def _s3(self, prefix: str) -> str:
        return self._bucket.s3_url_for_object(prefix)

    def _job(self, **changes: Any) -> TrainingJob:
        return TrainingJob(
            max_run=60,
            max_wait=120,
            checkpoint_s3_uri=formatted(
                f"s3://{self._bucket.bucket_name}/checkpoints/{{}}", FromInput("$$.Execution.Name")
            ),
            metric_definitions={"accuracy": "accuracy=([0-9.]+)"},
            channels={"train": self._s3("data/")},
            hyperparameters={"mode": MODE, "optimizer": "good", "rate": 0.5, **changes},
            tags={"team": "tests"},
        )

    def _training(self) -> JobTask:
        return TrainingJobTask(
            self,
            "Train",
            place=self._place,
            image=self._image,
            spot=True,
            job=self._job(),
            name=JobName.of_execution("jobs"),
            instances=INSTANCES,
            retry_attempts=2,
        )

    def _tuning(self) -> JobTask:
        job = self._job()
        shared = {"mode": MODE}
        return TuningJobTask(
            self,
            "Tune",
            place=self._place,
            image=self._image,
            spot=True,
            job=TrainingJob(**{**vars(job), "hyperparameters": shared}),
            instances=INSTANCES,
            tuning=Tuning(
                metric="accuracy",
                ranges={
                    "optimizer": ParameterRange.categorical("good", "bad"),
                    "rate": ParameterRange.continuous(0.01, 0.9),
                },
                strategy=Strategy.random(),
                max_jobs=4,
                max_parallel=2,
                seed=7,
            ),
        )

    def _processing(self) -> JobTask:
        return ProcessingJobTask(
            self,
            "Process",
            place=self._place,
            image=self._image,
            name=JobName.of_execution("jobs"),
            instances=INSTANCES,
            max_run=60,
            entry_point=["python3", "/opt/ml/processing/code/process.py"],
            arguments=["--mode", MODE, "--input", "/opt/ml/processing/rows", "--output", "/opt/ml/processing/upper"],
            inputs={
                "code": ProcessingInput(uri=self._s3("code/"), path="/opt/ml/processing/code"),
                "rows": ProcessingInput(uri=self._s3("data/"), path="/opt/ml/processing/rows"),
            },
            outputs={
                "upper": ProcessingOutput(
                    uri=formatted(f"s3://{self._bucket.bucket_name}/upper/{{}}", FromInput("$$.Execution.Name")),
                    path="/opt/ml/processing/upper",
                )
            },
        )

    def _transform(self, model: str) -> JobTask:
        return TransformJobTask(
            self,
            "Answer",
            model=model,
            key=self._key,
            name=JobName.of_execution("jobs"),
            instances=INSTANCES,
            source=self._s3("data/"),
            destination=formatted(f"s3://{self._bucket.bucket_name}/answers/{{}}", FromInput("$$.Execution.Name")),
            content_type="text/plain",
            batches=Batches(max_concurrent=2),
            environment={"MODE": MODE},
        )
