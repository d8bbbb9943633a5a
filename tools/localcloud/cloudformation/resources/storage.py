"""Amazon S3: buckets and their policies."""

import json
import re
from typing import Any

from botocore.exceptions import ClientError
from moto.s3.models import s3_backends

from localcloud.cloudformation.api_shapes import accepted
from localcloud.cloudformation.resource import (
    Deployed,
    Properties,
    Request,
    ResourceError,
    ResourceType,
    delete_if_there,
)
from localcloud.cloudformation.resources.lifecycle import lifecycle_rules

PAB = "PublicAccessBlockConfiguration"


class Bucket(ResourceType):
    type_name = "AWS::S3::Bucket"
    replaced_by = frozenset({"BucketName", "BucketNamePrefix", "BucketNamespace"})

    def create(self, request: Request) -> Deployed:
        s3, region = request.api("s3"), request.api.region
        name = request.name("BucketName", longest=63, lower=True)
        arguments: dict[str, Any] = {"Bucket": name}
        if region != "us-east-1":
            arguments["CreateBucketConfiguration"] = {"LocationConstraint": region}
        if str(request.properties.get("ObjectLockEnabled")).lower() == "true":
            arguments["ObjectLockEnabledForBucket"] = True
        s3.create_bucket(**arguments)
        attributes = {
            "Arn": f"arn:aws:s3:::{name}",
            "DomainName": f"{name}.s3.amazonaws.com",
            "DualStackDomainName": f"{name}.s3.dualstack.{region}.amazonaws.com",
            "RegionalDomainName": f"{name}.s3.{region}.amazonaws.com",
            "WebsiteURL": f"http://{name}.s3-website-{region}.amazonaws.com",
        }
        deployed = Deployed(name, attributes)
        request.exists(deployed)
        self._configure(request, name, {})
        return deployed

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        self._configure(request, deployed.physical_id, before)
        return deployed

    def delete(self, request: Request, deployed: Deployed) -> None:
        try:
            delete_if_there(request.api("s3").delete_bucket, Bucket=deployed.physical_id)
        except ClientError as error:
            if error.response["Error"]["Code"] != "BucketNotEmpty":
                raise
            raise ResourceError(
                f"The bucket {deployed.physical_id} is not empty: delete its objects and all their versions first."
            ) from None

    def _configure(self, request: Request, name: str, before: Properties) -> None:
        """Put what is set, and take away what was set and is no longer."""
        s3, now = request.api("s3"), request.properties
        if PAB in now:
            s3.put_public_access_block(Bucket=name, **accepted(s3, "PutPublicAccessBlock", {PAB: now[PAB]}))
        elif PAB in before:
            s3.delete_public_access_block(Bucket=name)
        if "OwnershipControls" in now:
            s3.put_bucket_ownership_controls(
                Bucket=name,
                **accepted(s3, "PutBucketOwnershipControls", {"OwnershipControls": now["OwnershipControls"]}),
            )
        elif "OwnershipControls" in before:
            s3.delete_bucket_ownership_controls(Bucket=name)
        if "AccessControl" in now or "AccessControl" in before:
            # `LogDeliveryWrite` is `log-delivery-write` in the API.
            words = re.findall("[A-Z][a-z]*", str(now.get("AccessControl", "Private")))
            s3.put_bucket_acl(Bucket=name, ACL="-".join(words).lower())
        if "BucketEncryption" in now:
            configuration = {"ServerSideEncryptionConfiguration": _encryption(now["BucketEncryption"])}
            s3.put_bucket_encryption(Bucket=name, **accepted(s3, "PutBucketEncryption", configuration, now.lost))
        elif "BucketEncryption" in before:
            s3.delete_bucket_encryption(Bucket=name)
        if "VersioningConfiguration" in now or "VersioningConfiguration" in before:
            wanted = now.get("VersioningConfiguration", {"Status": "Suspended"})
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=wanted)
        self._configure_object_lock(request, name, before)
        self._configure_replication(request, name, before)
        self._configure_lifecycle(request, name, before)
        self._configure_logging(request, name, before)
        self._configure_cors(request, name, before)
        self._configure_notifications(request, name, before)
        if request.tags():
            s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": request.tags()})
        elif "Tags" in before:
            s3.delete_bucket_tagging(Bucket=name)

    def _configure_object_lock(self, request: Request, name: str, before: Properties) -> None:
        s3, configuration = request.api("s3"), request.properties.get("ObjectLockConfiguration")
        if configuration is None and "ObjectLockConfiguration" not in before:
            return
        wanted = {"ObjectLockConfiguration": configuration or {"ObjectLockEnabled": "Enabled"}}
        s3.put_object_lock_configuration(Bucket=name, **accepted(s3, "PutObjectLockConfiguration", wanted))

    def _configure_replication(self, request: Request, name: str, before: Properties) -> None:
        s3, configuration = request.api("s3"), request.properties.get("ReplicationConfiguration")
        if configuration:
            # `Id` is `ID` in the API, and the rest is the API's own.
            wanted = {"ReplicationConfiguration": configuration}
            s3.put_bucket_replication(
                Bucket=name, **accepted(s3, "PutBucketReplication", wanted, request.properties.lost)
            )
        elif "ReplicationConfiguration" in before:
            s3.delete_bucket_replication(Bucket=name)

    def _configure_lifecycle(self, request: Request, name: str, before: Properties) -> None:
        s3, configuration = request.api("s3"), request.properties.get("LifecycleConfiguration")
        if configuration:
            rules = {"LifecycleConfiguration": {"Rules": lifecycle_rules(configuration)}}
            s3.put_bucket_lifecycle_configuration(Bucket=name, **accepted(s3, "PutBucketLifecycleConfiguration", rules))
        elif "LifecycleConfiguration" in before:
            s3.delete_bucket_lifecycle(Bucket=name)

    def _configure_logging(self, request: Request, name: str, before: Properties) -> None:
        configuration = request.properties.get("LoggingConfiguration")
        if configuration is None and "LoggingConfiguration" not in before:
            return
        logging = {}
        if configuration is not None:
            target = configuration.get("DestinationBucketName", name)
            request.api("s3").head_bucket(Bucket=target)
            logging = {"TargetBucket": target, "TargetPrefix": configuration.get("LogFilePrefix", "")}
        # Not by PutBucketLogging: moto's refuses it until the target's policy lets the logging service write.
        # S3 does not look, and a stack may bring that policy after this bucket.
        s3_backends[request.api.account]["aws"].buckets[name].logging = logging

    def _configure_cors(self, request: Request, name: str, before: Properties) -> None:
        s3, configuration = request.api("s3"), request.properties.get("CorsConfiguration")
        if configuration:
            rules = [
                {"MaxAgeSeconds" if key == "MaxAge" else key: value for key, value in rule.items()}
                for rule in configuration["CorsRules"]
            ]
            cors = {"CORSConfiguration": {"CORSRules": rules}}
            s3.put_bucket_cors(Bucket=name, **accepted(s3, "PutBucketCors", cors))
        elif "CorsConfiguration" in before:
            s3.delete_bucket_cors(Bucket=name)

    def _configure_notifications(self, request: Request, name: str, before: Properties) -> None:
        configuration = request.properties.get("NotificationConfiguration")
        if configuration is None and "NotificationConfiguration" not in before:
            return
        wanted: dict[str, Any] = {}
        if configuration and "EventBridgeConfiguration" in configuration:
            wanted["EventBridgeConfiguration"] = {}
        request.api("s3").put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=wanted)


class BucketPolicy(ResourceType):
    type_name = "AWS::S3::BucketPolicy"
    replaced_by = frozenset({"Bucket"})

    def create(self, request: Request) -> Deployed:
        bucket = request.properties["Bucket"]
        policy = request.properties["PolicyDocument"]
        request.api("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
        return Deployed(bucket)

    def update(self, request: Request, deployed: Deployed, before: Properties) -> Deployed:
        return self.create(request)

    def delete(self, request: Request, deployed: Deployed) -> None:
        delete_if_there(request.api("s3").delete_bucket_policy, Bucket=deployed.physical_id)


def _encryption(configuration: Properties) -> dict[str, Any]:
    """The rules, with a default where a template leaves it out, as in the rule that only blocks an encryption."""
    default = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    return {"Rules": [_encryption_rule(default | rule) for rule in configuration["ServerSideEncryptionConfiguration"]]}


def _encryption_rule(rule: Properties) -> dict[str, Any]:
    renamed = {"ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault"}
    return {"BucketKeyEnabled": False} | {renamed.get(name, name): value for name, value in rule.items()}


TYPES = (Bucket, BucketPolicy)
