"""Watching images: a change, a newer base, and findings that nobody has accepted start a build; findings also block
promotion."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from hf_sagemaker import permissions as allow
from hf_sagemaker.base_image import BaseImage
from hf_sagemaker.build_failures import BuildFailures
from hf_sagemaker.compliance import acknowledge
from hf_sagemaker.dead_letters import REASON, RULES
from hf_sagemaker.encryption_key import EnvironmentKeys
from hf_sagemaker.extended_image import ExtendedImage
from hf_sagemaker.function import PythonFunction
from hf_sagemaker.image_build import ImageBuild
from hf_sagemaker.place import place_of

ANNOUNCEMENTS = "arn:aws:sns:us-west-2:767397762724:dlc-updates"
"""The topic of AWS's on which it announces Deep Learning Containers, for the regions of partition aws."""
EVENT_SOURCE, EVENT_TYPE = "hf-sagemaker", "Images Announced"
"""Of the event by which an announcement reaches the rules of this account, as `watch_images.handler` sends it."""


@dataclass(frozen=True, kw_only=True)
class AcceptedFinding:
    """A finding of a scan that somebody has accepted. name: its CVE. until: the last day. reason: why, for a review."""

    name: str
    until: date
    reason: str


@dataclass(frozen=True, kw_only=True)
class RebuildRules:
    """When an image is built.

    on_change: when a deployment changes what goes into it, the first one too.
    on_new_base: when the base's tag has moved to another image; never of a base that is named by its digest.
    on_announcement: also look when AWS announces new images. Only in partition aws.
    on_findings: when its scan finds something of that severity or above, `critical` or `high`; such findings also block
        promotion. `none`: neither.
    accepted: findings that do not count, each until its day.
    """

    on_change: bool = True
    on_new_base: bool = True
    on_announcement: bool = False
    on_findings: str = "critical"
    accepted: Sequence[AcceptedFinding] = field(default=())


Watched = tuple[ExtendedImage, BaseImage, RebuildRules]
_GROUP = 4
"""Images of one set of rules and one policy: EventBridge hands on 8192 characters, and IAM takes 6144."""


class ImageWatch(Construct):
    """A function that looks at the images when a deployment has changed one, when a scan is complete, every day, and
    when AWS announces new ones.


    function: its input, which the rules hold, names everything that it may look at and change.
    failures: tells people about builds that did not succeed, these or any.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        images: Sequence[Watched],
        keys: EnvironmentKeys,
        function_root: Path,
        reserved_concurrency: int | None = 5,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        """Creates the function and its rules.

        images: each with its base and its rules.
        function_root, reserved_concurrency, removal_policy: as `PythonFunction` takes them.
        """
        super().__init__(scope, construct_id)
        groups = [images[first : first + _GROUP] for first in range(0, len(images), _GROUP)]
        failures = self.failures = BuildFailures(
            self, "Failures", projects=[image.build.project for image, _, _ in images], key=keys.operations
        )
        watcher = PythonFunction(
            self,
            "Watcher",
            source_root=function_root,
            package="watch_images",
            description="Builds images when they are to be built",
            key=keys.logs,
            permissions=[
                *_permissions(self, groups[0]),
                allow.allow(["sns:Publish"], failures.topic.topic_arn),
                allow.use_key_through(self, keys.operations, "sns"),
            ],
            timeout=Duration.minutes(2),
            failures=failures.topic,
            acknowledged=False,
            reserved_concurrency=reserved_concurrency,
            removal_policy=removal_policy,
        )
        self.function = watcher.function
        wildcards: dict[str, str] = {}
        for number, group in enumerate(groups):
            place = self if number == 0 else Construct(self, f"Group{number + 1}")
            if place is not self:
                policy = allow.DutyPolicy(
                    place, "Policy", role=watcher.role, permissions=_permissions(place, group), acknowledged=False
                )
                wildcards |= policy.wildcards
            self._watch(place, group)
        acknowledge(self, REASON + watcher.reason, *RULES, *dict.fromkeys([*watcher.rules, *wildcards]))

    def _watch(self, scope: Construct, images: Sequence[Watched]) -> None:
        """What makes the function look at these images."""
        document = {"images": [_input(*each) for each in images]}
        if hearing := [each for each in images if each[2].on_announcement]:
            self._listen(scope, {"images": [_input(*each) for each in hearing]})
        self._on_changes(scope, document, [image.build for image, _, rules in images if rules.on_change])
        self._rule(scope, "Daily", document, schedule_expression="rate(1 day)")
        self._rule(
            scope,
            "Scanned",
            document,
            event_pattern={
                "source": ["aws.ecr"],
                "detail-type": ["ECR Image Scan"],
                "detail": {
                    "scan-status": ["COMPLETE"],
                    "repository-name": [image.repository.repository_name for image, _, _ in images],
                },
            },
        )

    def _listen(self, scope: Construct, document: dict[str, Any]) -> None:
        """Looks when AWS announces images. A message says nothing that is used: it goes on as an event without one."""
        if not self.node.try_find_child("Announcements"):
            self._subscribe()
        pattern = {"source": [EVENT_SOURCE], "detail-type": [EVENT_TYPE]}
        self._rule(scope, "Announced", document, event_pattern=pattern)

    def _subscribe(self) -> None:
        announcements = Construct(self, "Announcements")
        sns.CfnSubscription(
            announcements,
            "Subscription",
            topic_arn=ANNOUNCEMENTS,
            region=ANNOUNCEMENTS.split(":")[3],
            protocol="lambda",
            endpoint=self.function.function_arn,
        )
        self._permit(announcements, "Permission", "sns.amazonaws.com", ANNOUNCEMENTS)
        acknowledge(
            announcements,
            "The topic is AWS's own, in us-west-2: the permission names it and nothing else, and what comes from it "
            "only says that it is time to look (71). A subscription's dead letter queue must be in the topic's region; "
            "SNS repeats a delivery to a function for 23 days, and the daily look makes up for what is lost.",
            "HfSageMaker::Control-71",
            "Serverless::Serverless-SNSRedrivePolicy",
        )

    def _permit(self, scope: Construct, construct_id: str, service: str, source_arn: str) -> Construct:
        return lambda_.CfnPermission(
            scope,
            construct_id,
            action="lambda:InvokeFunction",
            function_name=self.function.function_arn,
            principal=service,
            source_arn=source_arn,
        )

    def _on_changes(self, scope: Construct, document: dict[str, Any], builds: Sequence[ImageBuild]) -> None:
        """A deployment writes what it wants into a parameter of each image, and does not wait for what follows."""
        if not builds:
            return
        ready = self._rule(
            scope,
            "Changed",
            document,
            event_pattern={
                "source": ["aws.ssm"],
                "detail-type": ["Parameter Store Change"],
                "detail": {
                    "name": [build.wanted_name for build in builds],
                    "operation": ["Create", "Update"],
                },
            },
        )
        for build in builds:
            # Or the first deployment would write them before anybody hears it.
            build.wanted.node.add_dependency(self.function, *ready)

    def _rule(self, scope: Construct, construct_id: str, document: dict[str, Any], **when: Any) -> list[Construct]:
        """The rule, and what lets it call the function."""
        rule = events.CfnRule(
            scope,
            construct_id,
            targets=[
                events.CfnRule.TargetProperty(
                    arn=self.function.function_arn,
                    id="Watcher",
                    # Constant, so that an event's sender has no say in what is built: what is to be built, the
                    # function asks the parameters.
                    input=Stack.of(self).to_json_string(document),
                    dead_letter_config=self.failures.dead_letters,
                )
            ],
            **when,
        )
        self.failures.keep_for(rule)
        return [rule, self._permit(scope, f"{construct_id}Permission", "events.amazonaws.com", rule.attr_arn)]


def _input(image: ExtendedImage, base: BaseImage, rules: RebuildRules) -> dict[str, Any]:
    """As `watch_images.logic.Watched` reads it."""
    build = image.build
    return {
        "project": build.project.project_name,
        "wanted": build.wanted_name,
        "digest": build.digest.parameter_name,
        "base_digest": build.base_digest.parameter_name,
        "rebuild": build.rebuild.parameter_name,
        "blocked": build.blocked.parameter_name,
        "base": {"account": base.account, "repository": base.repository, "tag": base.tag},
        "on_change": rules.on_change,
        "on_new_base": rules.on_new_base,
        "on_findings": rules.on_findings,
        "accepted": [
            {"name": each.name, "until": each.until.isoformat(), "reason": each.reason} for each in rules.accepted
        ],
    }


def _permissions(scope: Construct, images: Sequence[Watched]) -> list[allow.Permission]:
    """What the function may do for these images."""
    builds = [image.build for image, _, _ in images]
    bases = {(base.account, base.repository) for _, base, _ in images}
    return [
        allow.allow(
            ["codebuild:BatchGetBuilds", "codebuild:ListBuildsForProject", "codebuild:StartBuild"],
            *(build.project.project_arn for build in builds),
        ),
        *(
            allow.use_repositories(scope, repository, actions=["ecr:BatchGetImage"], account=account)
            for account, repository in sorted(bases)
        ),
        allow.allow(["ecr:DescribeImageScanFindings"], *(image.repository.repository_arn for image, _, _ in images)),
        allow.allow(
            ["ssm:GetParameters"],
            *(build.wanted_arn for build in builds),
            *(p.parameter_arn for build in builds for p in (build.digest, build.base_digest, build.blocked)),
        ),
        allow.write_parameters(*(p for build in builds for p in (build.blocked, build.rebuild))),
        *(
            [
                allow.allow(
                    ["events:PutEvents"],
                    place_of(scope).arn("events", "event-bus/default"),
                    # Of all events of one call: it takes several. "For all" is true of none, so there must be one.
                    conditions={
                        "ForAllValues:StringEquals": {"events:source": EVENT_SOURCE, "events:detail-type": EVENT_TYPE},
                        "Null": {"events:source": "false", "events:detail-type": "false"},
                    },
                )
            ]
            if any(rules.on_announcement for _, _, rules in images)
            else []
        ),
    ]
