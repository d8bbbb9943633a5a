"""Monitors of an endpoint's captures: does what is asked, or how well it is answered, differ from the baseline?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aws_cdk import CfnCondition, Duration, Fn
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.compliance import acknowledge
from hf_sagemaker.dead_letters import REASON, RULES, dead_letters, let_rule, tell_of_letters
from hf_sagemaker.instance_types import instance_type as find_instance_type
from hf_sagemaker.model_monitor_images import monitor_image
from hf_sagemaker.place import place_of
from hf_sagemaker.placement import Placement

Problem = Literal["BinaryClassification", "MulticlassClassification", "Regression"]
_IN, _OUT = "/opt/ml/processing/input/endpoint", "/opt/ml/processing/output"
_LONGEST = 3300
"""Seconds of a job, which must have ended when the next begins."""
_VOLUME_GB = 20
RESULTS_PREFIX = "monitored/"
"""Where monitors put what they found, in the bucket of data."""


def monitor_captures(
    scope: Construct, bucket: s3.IBucket, bucket_key: kms.IKey, volume_key: kms.IKey
) -> list[allow.Permission]:
    """What the role of monitors needs, for all endpoints at once: a policy for each would be more than IAM attaches.

    UnknownImageError: AWS publishes no monitor in the region.
    """
    image = monitor_image(place_of(scope).region)
    return [
        allow.read_objects(bucket),
        allow.write_objects(bucket, RESULTS_PREFIX),
        allow.encrypt_objects(bucket_key, bucket),
        allow.encrypt_volumes(scope, volume_key),
        allow.registry_login(),
        allow.use_repositories(scope, image.repository, account=image.account),
        allow.write_service_logs(scope, "/aws/sagemaker/ProcessingJobs"),
        allow.put_metrics("/aws/sagemaker/Endpoints/data-metrics", "aws/sagemaker/Endpoints/data-metrics"),
        allow.attach_to_vpc(scope),
    ]


@dataclass(frozen=True, kw_only=True)
class MonitorPlace:
    """Where jobs work, and as whom.

    role: of the jobs; what it needs, `monitor_captures` says.
    bucket, bucket_key: of captures, baselines and results. volume_key: encrypts their volumes where the type takes
    one. topic_key: encrypts the topic. placement: of the jobs, which reach nothing but AWS's services.
    """

    role: iam.IRole
    bucket: s3.IBucket
    bucket_key: kms.IKey
    volume_key: kms.IKey
    topic_key: kms.IKey
    placement: Placement


@dataclass(frozen=True, kw_only=True)
class DataQuality:
    """Compares what is asked and answered with a baseline.

    baseline: prefix with statistics.json and constraints.json, as Model Monitor's suggestion job writes them.
    preprocessor: key of a Python script that makes one flat record of each capture. Omitted: captures are flat.
    """

    baseline: str
    preprocessor: str | None = None


@dataclass(frozen=True, kw_only=True)
class ModelQuality:
    """Compares answers with what turned out to be true.

    baseline: prefix with constraints.json. ground_truth: prefix where truths are put, by year/month/day/hour.
    problem: what the model does. inference_attribute: of an answer, which holds the label or number.
    """

    baseline: str
    ground_truth: str
    problem: Problem
    inference_attribute: str


class ModelMonitor(Construct):
    """A schedule of jobs over an endpoint's captures.

    SageMaker deletes no endpoint that has one: such an endpoint cannot be stopped.

    topic: hears of violations and of failed jobs. alarm: goes off when it does.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint: sagemaker.CfnEndpoint,
        endpoint_name: str,
        checks: DataQuality | ModelQuality,
        place: MonitorPlace,
        instance_type: str = "ml.m5.xlarge",
        hourly: bool = False,
        alarm_topic: sns.ITopic | None = None,
        exists: CfnCondition | None = None,
    ) -> None:
        """Creates the job definition, the schedule, and what tells of violations.

        endpoint: with data capture. endpoint_name: in SageMaker.
        place: where jobs read, write and run.
        instance_type: of the jobs. Omitted: ml.m5.xlarge.
        hourly: omitted: once a day.
        alarm_topic: told by the alarm. It must let alarms publish. Omitted: the alarm only shows.
        exists: as the endpoint has it. Omitted: the endpoint is there.

        Raises UnknownInstanceTypeError when SageMaker processing has no such type, and UnknownImageError when AWS
        publishes no monitor in the region.
        """
        super().__init__(scope, construct_id)
        find_instance_type(instance_type, "processing")
        self._place, self._checks, self._name = place, checks, endpoint_name
        self._image = monitor_image(place_of(self).region)
        self._kind: Literal["DataQuality", "ModelQuality"] = (
            "DataQuality" if isinstance(checks, DataQuality) else "ModelQuality"
        )
        word = "data-quality" if self._kind == "DataQuality" else "model-quality"
        name = f"{endpoint_name}-{word}"
        self._results = f"{RESULTS_PREFIX}{endpoint_name}/{word}"
        definition = self._definition(instance_type)
        # SageMaker looks for the endpoint.
        definition.node.add_dependency(endpoint)
        schedule = sagemaker.CfnMonitoringSchedule(
            self,
            "Schedule",
            monitoring_schedule_name=name,
            monitoring_schedule_config=sagemaker.CfnMonitoringSchedule.MonitoringScheduleConfigProperty(
                monitoring_type=self._kind,
                # CloudFormation knows its ARN, which ends in the name.
                monitoring_job_definition_name=Fn.select(1, Fn.split("/", definition.attr_job_definition_arn)),
                schedule_config=sagemaker.CfnMonitoringSchedule.ScheduleConfigProperty(
                    schedule_expression="cron(0 * ? * * *)" if hourly else "cron(0 5 ? * * *)"
                ),
            ),
        )
        self.topic = sns.Topic(self, "Topic", master_key=place.topic_key, enforce_ssl=True)
        definition.cfn_options.condition = schedule.cfn_options.condition = exists
        self._tell(place_of(self).arn("sagemaker", f"monitoring-schedule/{name}"), alarm_topic)
        self.alarm = self._alarm(alarm_topic)

    def _definition(
        self, instance_type: str
    ) -> sagemaker.CfnDataQualityJobDefinition | sagemaker.CfnModelQualityJobDefinition:
        place, checks = self._place, self._checks
        volume_key = (
            place.volume_key.key_arn if find_instance_type(instance_type, "processing").takes_volume_key else None
        )
        cluster = {"instance_count": 1, "instance_type": instance_type, "volume_size_in_gb": _VOLUME_GB}
        network = {"subnets": place.placement.subnet_ids, "security_group_ids": place.placement.security_group_ids}
        baseline = checks.baseline.rstrip("/")
        kind: Any = (
            sagemaker.CfnDataQualityJobDefinition
            if isinstance(checks, DataQuality)
            else sagemaker.CfnModelQualityJobDefinition
        )
        constraints = kind.ConstraintsResourceProperty(s3_uri=self._uri(f"{baseline}/constraints.json"))
        output = kind.S3OutputProperty(local_path=_OUT, s3_uri=self._uri(self._results), s3_upload_mode="EndOfJob")
        shared = {
            "role_arn": place.role.role_arn,
            "job_resources": kind.MonitoringResourcesProperty(
                cluster_config=kind.ClusterConfigProperty(volume_kms_key_id=volume_key, **cluster)
            ),
            "network_config": kind.NetworkConfigProperty(
                enable_inter_container_traffic_encryption=True,
                enable_network_isolation=True,
                vpc_config=kind.VpcConfigProperty(**network),
            ),
            "stopping_condition": kind.StoppingConditionProperty(max_runtime_in_seconds=_LONGEST),
        }
        outputs = kind.MonitoringOutputConfigProperty(
            kms_key_id=place.bucket_key.key_arn,
            monitoring_outputs=[kind.MonitoringOutputProperty(s3_output=output)],
        )
        if isinstance(checks, DataQuality):
            statistics = kind.StatisticsResourceProperty(s3_uri=self._uri(f"{baseline}/statistics.json"))
            return sagemaker.CfnDataQualityJobDefinition(
                self,
                "Definition",
                data_quality_app_specification=kind.DataQualityAppSpecificationProperty(
                    image_uri=self._image.uri,
                    environment={"publish_cloudwatch_metrics": "Enabled"},
                    record_preprocessor_source_uri=self._uri(checks.preprocessor) if checks.preprocessor else None,
                ),
                data_quality_baseline_config=kind.DataQualityBaselineConfigProperty(
                    constraints_resource=constraints, statistics_resource=statistics
                ),
                data_quality_job_input=kind.DataQualityJobInputProperty(
                    endpoint_input=kind.EndpointInputProperty(endpoint_name=self._name, local_path=_IN)
                ),
                data_quality_job_output_config=outputs,
                **shared,
            )
        return sagemaker.CfnModelQualityJobDefinition(
            self,
            "Definition",
            model_quality_app_specification=kind.ModelQualityAppSpecificationProperty(
                image_uri=self._image.uri,
                problem_type=checks.problem,
                environment={"publish_cloudwatch_metrics": "Enabled"},
            ),
            model_quality_baseline_config=kind.ModelQualityBaselineConfigProperty(constraints_resource=constraints),
            model_quality_job_input=kind.ModelQualityJobInputProperty(
                endpoint_input=kind.EndpointInputProperty(
                    endpoint_name=self._name,
                    local_path=_IN,
                    inference_attribute=checks.inference_attribute,
                    # The truth about an hour is known a day later, not in the same hour.
                    start_time_offset="-P2D",
                    end_time_offset="-P1D",
                ),
                ground_truth_s3_input=kind.MonitoringGroundTruthS3InputProperty(
                    s3_uri=self._uri(checks.ground_truth.rstrip("/"))
                ),
            ),
            model_quality_job_output_config=outputs,
            **shared,
        )

    def _uri(self, key: str) -> str:
        return self._place.bucket.s3_url_for_object(key)

    def _tell(self, schedule_arn: str, alarm_topic: sns.ITopic | None) -> None:
        """Two rules: EventBridge has no "or" over what both conditions are about."""
        ends: Sequence[tuple[str, dict[str, Any]]] = (
            ("Violated", {"ExitMessage": [{"prefix": "CompletedWithViolations"}]}),
            ("Failed", {"ProcessingJobStatus": ["Failed"]}),
        )
        letters = dead_letters(self, self._place.topic_key)
        acknowledge(self, REASON, *RULES)
        for construct_id, end in ends:
            rule = events.CfnRule(
                self,
                construct_id,
                event_pattern={
                    "source": ["aws.sagemaker"],
                    "detail-type": ["SageMaker Processing Job State Change"],
                    "detail": {"MonitoringScheduleArn": [schedule_arn], **end},
                },
                targets=[
                    events.CfnRule.TargetProperty(
                        arn=self.topic.topic_arn,
                        id="Topic",
                        dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=letters.queue_arn),
                    )
                ],
            )
            self.topic.add_to_resource_policy(let_rule("sns:Publish", self.topic.topic_arn, rule))
            letters.add_to_resource_policy(let_rule("sqs:SendMessage", letters.queue_arn, rule))
        tell_of_letters(
            self,
            "Untold",
            queue=letters,
            description=f"People could not be told what a monitor of endpoint {self._name} found",
            topics=[alarm_topic] if alarm_topic else [],
        )

    def _alarm(self, topic: sns.ITopic | None) -> cloudwatch.Alarm:
        # Nothing to tell is how it should be.
        alarm = self.topic.metric_number_of_messages_published(period=Duration.hours(1), statistic="Sum").create_alarm(
            self,
            "Violations",
            alarm_description=f"A monitor of endpoint {self._name} found violations, or failed: its results lie below "
            f"{self._results}/ in the bucket of data",
            threshold=1,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        if topic:
            alarm.add_alarm_action(actions.SnsAction(topic))
        return alarm
