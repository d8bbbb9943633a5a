"""Our controls as a validation plugin of the CDK."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import jsii
from aws_cdk import (
    IPolicyValidationContext,
    IPolicyValidationPlugin,
    PolicyValidationPluginReport,
    PolicyViolatingResource,
    PolicyViolation,
)

from hf_sagemaker.controls.assembly import environments, template_files
from hf_sagemaker.controls.catalog import controls_for
from hf_sagemaker.controls.verdict import Verdict, verdicts

NAME = "HfSageMaker"


@jsii.implements(IPolicyValidationPlugin)
class ControlsPlugin:
    """Judges every environment by the controls; a breach is a violation of `Control-<number>` at its resource.

    verdicts: what it found, by environment; empty until the app is synthesised.
    """

    def __init__(self) -> None:
        self.verdicts: dict[str, list[Verdict]] = {}

    @property
    def name(self) -> str:
        """As reports and acknowledgements name it."""
        return NAME

    @property
    def version(self) -> str | None:
        """It has none of its own."""
        return None

    @property
    def rule_ids(self) -> list[str] | None:
        """They are not sent anywhere."""
        return None

    @property
    def has_judged(self) -> bool:
        """Whether the CDK asked it to."""
        return bool(self.verdicts)

    def validate(self, context: IPolicyValidationContext) -> PolicyValidationPluginReport:
        """Called by the CDK when the templates are written."""
        violations = []
        for folder in dict.fromkeys(Path(file).parent for file in context.template_paths):
            files = template_files(folder)
            for name, templates in environments(folder).items():
                self.verdicts[name] = verdicts(controls_for(templates), templates)
                violations += _violations(name, self.verdicts[name], files)
        return PolicyValidationPluginReport(success=not violations, violations=violations)


def _violations(environment: str, found: Sequence[Verdict], files: Mapping[str, Path]) -> list[PolicyViolation]:
    violations = []
    for verdict in found:
        control = verdict.control
        for problem in dict.fromkeys(breach.problem for breach in verdict.breaches):
            resources = [
                PolicyViolatingResource(
                    resource_logical_id=breach.resource.logical_id,
                    template_path=str(files[breach.resource.stack]),
                    locations=["Properties"],
                )
                for breach in verdict.breaches
                if breach.problem == problem
            ]
            # Without a severity the CDK takes the whole report for a success once one violation is acknowledged.
            violations.append(_violation(control.rule, f"{control.title}: {problem}", "error", resources))
        for problem in verdict.missing:
            # What is not there has no owner who could acknowledge it, and fatal violations cannot be.
            nowhere = [PolicyViolatingResource(construct_path=environment, locations=[])]
            violations.append(_violation(control.rule, f"{control.title}: missing: {problem}.", "fatal", nowhere))
    return violations


def _violation(
    rule: str, description: str, severity: str, resources: Sequence[PolicyViolatingResource]
) -> PolicyViolation:
    return PolicyViolation(
        rule_name=rule, description=description, severity=severity, violating_resources=list(resources)
    )
