"""Data: the keys, the buckets, and the roles of services and people that may use them."""

from collections.abc import Sequence

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.arns import role_arn
from hf_sagemaker.buckets import AccessLogBucket, EncryptedBucket, EnvironmentBuckets, Replication
from hf_sagemaker.compliance import acknowledge
from hf_sagemaker.data_capture import expire_captures, put_captures
from hf_sagemaker.encryption_key import EncryptionKey, EnvironmentKeys, KeyUse
from hf_sagemaker.execution_roles import ExecutionRoles, TransformAccess
from hf_sagemaker.model_monitor import monitor_captures
from hf_sagemaker.people_roles import PeopleRoles
from hf_sagemaker.place import place_of
from hf_sagemaker.placement import Network
from stacks.access_settings import ReplicationSettings
from stacks.contract import ENDPOINT, asynchronous_prefix, promoted_repositories, publish, repository_name
from stacks.settings import EnvironmentSettings

CHECKPOINT_DAYS = 30
"""Days after which a checkpoint is deleted: no run waits that long for capacity."""
_ONE_REGION = (
    "Copies in another region are the team's choice: settings data.replication. Versions, retention and, where set, "
    "Object Lock bring back what was deleted or overwritten."
)

_NO_LOCK = (
    "Object Lock cannot be taken back, and S3 then takes only uploads with a checksum: the team decides, with "
    "data.object_lock_days. Without it versions stay, no role of ours may delete one, and replaced ones stay 30 days."
)

_SERVERLESS = (
    "Serverless endpoints run in no VPC, which their settings say (serverless.outside_network): their role, which no "
    "other endpoint has and which writes nothing, reads models from outside the network."
)


class DataStack(Stack):
    """Offers `keys`, `buckets`, `roles` and `people`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        settings: EnvironmentSettings,
        network: Network,
        log_key: kms.IKey,
        removal_policy: RemovalPolicy,
    ) -> None:
        """network: its S3 endpoint is the only way by which jobs reach the buckets. log_key: encrypts access logs."""
        super().__init__(scope, construct_id, termination_protection=not settings.disposable)
        self._settings = settings
        self._removal_policy = removal_policy
        self.roles = ExecutionRoles(
            self,
            "Roles",
            notebook_role=settings.roles.sagemaker_execution_role,
            packaging_role=settings.prepares_models,
            reporting_role=bool(settings.training.job_types),
            fetching_role=settings.training.git is not None,
            asynchronous_role=bool(settings.endpoints_of("asynchronous")),
            transforming_role=bool(settings.inference.batch_transforms),
            serverless_role=bool(settings.endpoints_of("serverless")),
            asking_role=bool(settings.endpoints_of("asynchronous")),
            capturing_role=any(endpoint.capture for endpoint in settings.inference.endpoints),
            monitoring_role=settings.monitors,
        )
        self.people = PeopleRoles(
            self,
            "People",
            environment=environment,
            data_scientists=settings.roles.data_scientists,
            platform_operators=settings.roles.platform_operators,
        )
        self.keys = self._keys(log_key)
        self.buckets = self._buckets(network)
        self._allow_work(environment, network)
        publish(
            self,
            environment,
            {
                "data/data-bucket": self.buckets.data.bucket_name,
                "data/models-bucket": self.buckets.models.bucket_name,
                "data/checkpoints-bucket": self.buckets.checkpoints.bucket_name,
                "data/builds-bucket": self.buckets.builds.bucket_name,
                "data/data-key-arn": self.keys.data.key_arn,
                "data/models-key-arn": self.keys.models.key_arn,
                **self._role_arns(),
            },
        )

    def _keys(self, log_key: kms.IKey) -> EnvironmentKeys:
        """Ours, or those that the settings name."""
        people = [self.people.data_scientist] if self.people.data_scientist else []
        teams = self._settings.keys
        s3_only, sagemaker = ["s3"], KeyUse(services=["sagemaker"], actions=["kms:DescribeKey"], grants=True)
        transforming = [self.roles.transforming] if self.roles.transforming else []
        data_users = [*self.roles.trainers, *transforming, *people]
        fetching = [self.roles.fetching] if self.roles.fetching else []
        functions = [role for role in (self.roles.packaging, self.roles.reporting) if role]
        serverless = [self.roles.serverless] if self.roles.serverless else []
        asynchronous = [self.roles.asynchronous] if self.roles.asynchronous else []
        capturing = [self.roles.capturing] if self.roles.capturing else []
        serving = [self.roles.serving, *asynchronous, *capturing, *serverless]
        monitoring = [self.roles.monitoring] if self.roles.monitoring else []
        model_users = [*data_users, *serving, *monitoring, self.roles.mirroring, *functions, *fetching]
        # Requests and answers of asynchronous endpoints lie beside the data.
        asking = [self.roles.asking] if self.roles.asking else []
        data_users = [*data_users, *asynchronous, *asking, *monitoring, *capturing]
        return EnvironmentKeys(
            data=self._key("Data", teams.data, "Training data", KeyUse(services=s3_only, roles=data_users)),
            models=self._key(
                "Models",
                teams.models,
                "Models, checkpoints and volumes",
                KeyUse(services=s3_only, roles=model_users),
                sagemaker,
            ),
            images=self._key(
                "Images",
                teams.images,
                "Container images and their builds",
                KeyUse(services=["ecr"], grants=True),
                KeyUse(services=["codebuild", "s3"], roles=[self.roles.building, self.roles.mirroring, *fetching]),
            ),
            logs=log_key,
            operations=self._key(
                "Operations",
                teams.operations,
                "Notifications, state machines and functions",
                KeyUse(services=["sns", "sqs", "states"]),
                # delivery.logs: a state machine with this key logs through it.
                services=["cloudwatch.amazonaws.com", "delivery.logs.amazonaws.com", "events.amazonaws.com"],
            ),
        )

    def _key(
        self, name: str, arn: str | None, description: str, *uses: KeyUse, services: Sequence[str] = ()
    ) -> kms.IKey:
        if arn:
            return kms.Key.from_key_arn(self, f"{name}Key", arn)
        return EncryptionKey(
            self,
            f"{name}Key",
            description=description,
            uses=uses,
            services=services,
            removal_policy=self._removal_policy,
        )

    def _buckets(self, network: Network) -> EnvironmentBuckets:
        data = self._settings.data
        # The mirror's build is in the network only where that has a way to the Hub, those of images where settings say.
        inside = [
            *self.roles.trainers,
            self.roles.serving,
            *([self.roles.asynchronous] if self.roles.asynchronous else []),
            *([self.roles.transforming] if self.roles.transforming else []),
            *([self.roles.capturing] if self.roles.capturing else []),
            *([self.roles.monitoring] if self.roles.monitoring else []),
            *([self.roles.mirroring] if network.mirror else []),
            *([self.roles.fetching] if network.mirror and self.roles.fetching else []),
            *([self.roles.building] if network.builds else []),
        ]
        # By its ARN: given the key itself, the CDK would let S3's log delivery use it for any account.
        log_key = kms.Key.from_key_arn(self, "LogKey", self.keys.logs.key_arn)
        access_logs = AccessLogBucket(self, "AccessLogs", key=log_key, removal_policy=self._removal_policy)

        def bucket(name: str, key: kms.IKey, *rules: s3.LifecycleRule, **options: object) -> EncryptedBucket:
            made = EncryptedBucket(
                self,
                name,
                key=key,
                access_logs=access_logs,
                removal_policy=self._removal_policy,
                lifecycle_rules=rules,
                **options,  # type: ignore[arg-type]
            )
            made.only_through(network.s3_endpoint_id, inside)
            return made

        replication = self._replication(data.replication) if data.replication else None
        buckets = EnvironmentBuckets(
            data=bucket("Data", self.keys.data, *self._asynchronous_rules(), *expire_captures(self._captures)),
            models=bucket(
                "Models",
                self.keys.models,
                object_lock=Duration.days(data.object_lock_days) if data.object_lock_days else None,
                replication=replication,
            ),
            checkpoints=bucket(
                "Checkpoints", self.keys.models, s3.LifecycleRule(expiration=Duration.days(CHECKPOINT_DAYS))
            ),
            builds=bucket("Builds", self.keys.images),
            read_only=[
                (
                    s3.Bucket.from_bucket_name(self, f"ReadOnly{i}", each.name),
                    kms.Key.from_key_arn(self, f"ReadOnlyKey{i}", each.key_arn) if each.key_arn else None,
                )
                for i, each in enumerate(data.read_only_buckets)
            ],
        )
        if replication:
            self._allow_replication(buckets.models, replication)
        packs = ("NIST.800.53.R5", "HIPAA.Security", "PCI.DSS.321")
        rules = [*(f"{pack}::{pack}-S3BucketReplicationEnabled" for pack in packs), "HfSageMaker::Control-20"]
        for each in (access_logs, buckets.data, buckets.checkpoints, buckets.builds):
            acknowledge(each, _ONE_REGION, *rules)
        outside = ["HfSageMaker::Control-17"] if self.roles.serverless else []
        lockable = [] if self._settings.disposable or data.object_lock_days else ["HfSageMaker::Control-19"]
        if lockable or outside or not replication:
            reasons = ((not replication, _ONE_REGION), (lockable, _NO_LOCK), (outside, _SERVERLESS))
            acknowledge(
                buckets.models,
                " ".join(reason for given, reason in reasons if given),
                *outside,
                *([] if replication else rules),
                *lockable,
            )
        return buckets

    def _asynchronous_rules(self) -> list[s3.LifecycleRule]:
        """For each time that requests and answers are kept, whichever endpoints they are of."""
        days = {each.asynchronous.expires_days for each in self._settings.endpoints_of("asynchronous")}
        return [
            s3.LifecycleRule(prefix=asynchronous_prefix(each), expiration=Duration.days(each)) for each in sorted(days)
        ]

    def _replication(self, settings: ReplicationSettings) -> Replication:
        role = iam.Role(
            self,
            "ReplicationRole",
            assumed_by=allow.service_principal(self, "s3.amazonaws.com"),
            description="Copies models to the bucket of the settings",
        )
        destination = s3.Bucket.from_bucket_attributes(
            self, "Copies", bucket_name=settings.bucket, account=settings.account
        )
        return Replication(
            destination=destination, key=kms.Key.from_key_arn(self, "CopiesKey", settings.key_arn), role=role
        )

    def _allow_replication(self, models: s3.IBucket, replication: Replication) -> None:
        allow.DutyPolicy(
            self,
            "ReplicationPolicy",
            role=replication.role,
            permissions=[
                allow.replicate(models, replication.destination),
                allow.decrypt_objects(self.keys.models, models),
                allow.allow(["kms:Encrypt", "kms:GenerateDataKey"], replication.key.key_arn),
            ],
        )

    def _allow_work(self, environment: str, network: Network) -> None:
        settings = self._settings
        git = settings.training.git

        def repositories(purpose: str) -> list[str]:
            built = [image for image in settings.images if not image.promoted_from]
            return [repository_name(environment, image.name) for image in built if image.base.purpose == purpose]

        self.roles.allow_work(
            buckets=self.buckets,
            keys=self.keys,
            training_repositories=repositories("training"),
            inference_repositories=repositories("inference"),
            promoted_training=promoted_repositories(settings, "training"),
            promoted_inference=promoted_repositories(settings, "inference"),
            token_secret_arn=settings.hub.token_secret_arn,
            token_key=kms.Key.from_key_arn(self, "TokenKey", settings.hub.token_key_arn)
            if settings.hub.token_key_arn
            else None,
            git_secret_arn=git.token_secret_arn if git else None,
            git_key=kms.Key.from_key_arn(self, "GitTokenKey", git.token_key_arn) if git and git.token_key_arn else None,
            packages=settings.builds.sources(settings.account, settings.region),
            builds=network.builds,
            answer_topics=place_of(self).arn("sns", f"{environment}-{ENDPOINT}*"),
            transforms=self._transforms() if settings.inference.batch_transforms else None,
            captures=put_captures(self.buckets.data, self.keys.data) if self.roles.capturing else (),
            monitoring=monitor_captures(self, self.buckets.data, self.keys.data, self.keys.models)
            if self.roles.monitoring
            else (),
        )
        self.people.allow_work(
            buckets=self.buckets,
            keys=self.keys,
            roles=self.roles,
            jobs=network.jobs,
            instance_types=sorted({name for job in settings.training.job_types for name in job.all_instance_types}),
        )

    @property
    def _captures(self) -> list[int]:
        """For how many days endpoints keep what they are asked; empty where none does."""
        return [endpoint.capture.expires_days for endpoint in self._settings.inference.endpoints if endpoint.capture]

    def _transforms(self) -> TransformAccess:
        """What batch transforms read and write, bucket by bucket."""
        transforms = self._settings.inference.batch_transforms
        places = [each.place for each in transforms]
        models = [each.model.place for each in transforms if each.model.s3]
        ours = sorted({prefix for bucket, prefix in places if bucket is None})
        inputs: list[tuple[s3.IBucket, kms.IKey | None, Sequence[str]]] = []
        if ours:
            # Its key is the one with which answers are written.
            inputs.append((self.buckets.data, None, ours))
        for bucket, key in self.buckets.read_only:
            if theirs := sorted({place for name, place in (*places, *models) if name == bucket.bucket_name}):
                inputs.append((bucket, key, theirs))
        return TransformAccess(inputs=inputs, outputs=sorted({each.output for each in transforms}))

    def _role_arns(self) -> dict[str, str]:
        roles = {
            "training": self.roles.training,
            "serving": self.roles.serving,
            "transforming": self.roles.transforming,
            "building": self.roles.building,
            "mirroring": self.roles.mirroring,
            "fetching": self.roles.fetching,
            "packaging": self.roles.packaging,
            "reporting": self.roles.reporting,
            "orchestrating": self.roles.orchestrating,
            "data-scientist": self.people.data_scientist,
            "platform-operator": self.people.platform_operator,
        }
        return {f"roles/{duty}-arn": role_arn(role) for duty, role in roles.items() if role}
