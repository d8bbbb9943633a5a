"""The gate: what must be true before a synth counts, and the evidence that it leaves.

It is shut unless everything has judged and nothing is open. The CDK itself, run by its CLI or with
CDK_APP_MODE=process, goes on as if nothing had happened.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from aws_cdk import App, Stage, Validations
from cdk_nag import AwsSolutionsChecks, HIPAASecurityChecks, NIST80053R5Checks, PCIDSS321Checks, ServerlessChecks
from constructs import IConstruct

from hf_sagemaker.controls import acknowledged
from hf_sagemaker.controls.acknowledged import THE_APP
from hf_sagemaker.controls.assembly import Acknowledgement, acknowledgements, environments
from hf_sagemaker.controls.evidence import Pack, evidence, write
from hf_sagemaker.controls.plugin import ControlsPlugin
from hf_sagemaker.controls.validation_report import FILE, ValidationReport

ENGINE = "CloudFormation Validate"
"""The CDK's built-in validation, as reports name it."""
_PACKS = (AwsSolutionsChecks, NIST80053R5Checks, HIPAASecurityChecks, PCIDSS321Checks, ServerlessChecks)


class Gate:
    """Registers who judges an app; then synthesises it and says what keeps the gate shut."""

    def __init__(self, app: App) -> None:
        """app: with or without its environments yet.

        The CDK's built-in validation judges too, unless CDK_VALIDATION is false (`cdk synth --no-validation`).
        """
        self._app = app
        self._engine_judges = os.environ.get("CDK_VALIDATION") != "false"
        self._controls = ControlsPlugin()
        packs = [pack(app) for pack in _PACKS]
        self._packs = {pack.name: pack for pack in packs}
        Validations.of(app).add_plugins(*packs, self._controls)

    def synthesise(self, folder: Path) -> list[str]:
        """Synthesises the app and writes the evidence to the folder, also when something is wrong.

        Returns one line per problem; empty when the gate is open.
        """
        assembly = self._synthesised()
        try:
            report = ValidationReport(assembly)
        except (OSError, ValueError, KeyError) as error:
            return [f"There is no readable {FILE}, so nothing counts as checked ({type(error).__name__})."]
        lost = self._lost(report)
        general = [
            *(f"{name} did not judge, and it would have found something." for name in lost),
            *self._unjudged(),
            *report.crashes.values(),
        ]
        faults = acknowledged.problems(
            [*self._above_stacks(), *acknowledgements(assembly)],
            report.suppressions,
            # An annotation that is acknowledged is in no report.
            silent=["Annotation::@aws-cdk/", *([] if self._engine_judges else [ENGINE.replace(" ", "-") + "::"])],
        )
        for name, templates in environments(assembly).items():
            content = evidence(
                templates,
                self._controls.verdicts.get(name, []),
                packs=self._heard([*lost, *report.crashes]),
                findings=report.findings,
                suppressions=report.suppressions,
                problems=[
                    *general,
                    *(f"{path} {fault}" for path, fault in faults if path.split("/")[0] in (name, THE_APP)),
                ],
            )
            write(folder, content)
        return [*general, *map(str, report.findings), *(f"{path} {fault}." for path, fault in faults)]

    def _synthesised(self) -> Path:
        """The folder with templates and report of this synth."""
        assembly = Path(self._app.outdir)
        (assembly / FILE).unlink(missing_ok=True)  # an earlier synth's report says nothing about this one
        try:
            self._app.synth()
        except RuntimeError:
            # The CDK raises on findings, unless its CLI runs the app. Without a report it has another reason.
            if not (assembly / FILE).exists():
                raise
        return assembly

    def _lost(self, report: ValidationReport) -> list[str]:
        """The packs whose findings are not in the report, which leaves out who found nothing: those are asked again."""
        absent = {name: pack for name, pack in self._packs.items() if name not in report.plugins}
        return [name for name, pack in absent.items() if pack.validate_scope(self._app).violations]

    def _unjudged(self) -> Iterator[str]:
        """The environments that our controls did not see."""
        stages = self._stages()
        if not stages:
            yield "The app has no environment, so nothing was judged."
        for stage in stages:
            if stage.node.id not in self._controls.verdicts:
                yield f"{stage.node.id} was not judged by the controls: it has no stacks, or they failed."

    def _heard(self, silent: Sequence[str]) -> list[Pack]:
        """Who judges, and whether they did."""
        return [
            Pack(ENGINE, has_judged=self._engine_judges and ENGINE not in silent),
            *(Pack(name, has_judged=name not in silent) for name in self._packs),
            Pack(self._controls.name, has_judged=self._controls.has_judged),
        ]

    def _above_stacks(self) -> list[Acknowledgement]:
        """Acknowledgements at the app and its environments, which no stack's metadata hold."""
        return [
            Acknowledgement(scope.node.path, rule, reason)
            for scope in (self._app, *self._stages())
            for entry in scope.node.metadata
            if entry.type == Validations.ACKNOWLEDGED_RULES_METADATA_KEY
            for rule, reason in entry.data.items()
        ]

    def _stages(self) -> list[IConstruct]:
        return [child for child in self._app.node.children if Stage.is_stage(child)]
