"""The gate: what must be true before a synth counts, and the evidence that it leaves.

It is shut unless everything has judged and nothing is open. The CDK itself, run by its CLI or with
CDK_APP_MODE=process, goes on as if nothing had happened.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from aws_cdk import App, Stage, Validations
from cdk_nag import AwsSolutionsChecks, HIPAASecurityChecks, NIST80053R5Checks, PCIDSS321Checks, ServerlessChecks
from constructs import IConstruct

from hf_sagemaker.controls import acknowledged
from hf_sagemaker.controls.acknowledged import THE_APP
from hf_sagemaker.controls.assembly import Acknowledgement, acknowledgements, environments
from hf_sagemaker.controls.evidence import Pack, evidence, write
from hf_sagemaker.controls.plugin import ControlsPlugin, WitnessedPack
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
        self._packs = [WitnessedPack(pack(app)) for pack in _PACKS]
        Validations.of(app).add_plugins(*self._packs, self._controls)

    def synthesise(self, folder: Path) -> list[str]:
        """Synthesises the app and writes the evidence to the folder, also when something is wrong.

        Returns one line per problem; empty when the gate is open.
        """
        assembly = Path(self._app.outdir)
        (assembly / FILE).unlink(missing_ok=True)  # an earlier synth's report says nothing about this one
        try:
            self._app.synth()
        except RuntimeError:
            # The CDK raises on findings, unless its CLI runs the app. Without a report it has another reason.
            if not (assembly / FILE).exists():
                raise
        try:
            report = ValidationReport(assembly)
        except (OSError, ValueError, KeyError) as error:
            return [f"There is no readable {FILE}, so nothing counts as checked ({type(error).__name__})."]
        made = [*self._above_stacks(), *acknowledgements(assembly)]
        problems = [*self._silences(), *report.crashes, *map(str, report.findings)]
        faults = self._faults(made, report)
        self._write(folder, assembly, report, faults)
        return [*problems, *(f"{path} {fault}." for path, fault in faults)]

    def _silences(self) -> list[str]:
        """Who did not judge, and what was not judged."""
        stages = [stage.node.id for stage in self._stages()]
        silent = [pack.name for pack in self._packs if not pack.has_judged]
        return [
            *([] if stages else ["The app has no environment, so nothing was judged."]),
            *(f"{name} did not judge: it is not registered, or it failed." for name in silent),
            *(
                f"{name} was not judged by the controls: it has no stacks, or they failed."
                for name in stages
                if name not in self._controls.verdicts
            ),
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

    def _faults(self, made: Sequence[Acknowledgement], report: ValidationReport) -> list[tuple[str, str]]:
        silent = [] if self._engine_judges else [ENGINE.replace(" ", "-")]
        return acknowledged.problems(made, report.suppressions, silent=silent)

    def _write(self, folder: Path, assembly: Path, report: ValidationReport, faults: Sequence[tuple[str, str]]) -> None:
        packs = [
            Pack(ENGINE, has_judged=self._engine_judges),
            *(Pack(pack.name, has_judged=pack.has_judged) for pack in self._packs),
            Pack(self._controls.name, has_judged=self._controls.has_judged),
        ]
        for name, templates in environments(assembly).items():
            write(
                folder,
                evidence(
                    templates,
                    self._controls.verdicts.get(name, []),
                    packs=packs,
                    findings=report.findings,
                    suppressions=report.suppressions,
                    problems=[
                        *self._silences(),
                        *report.crashes,
                        *(f"{path} {fault}" for path, fault in faults if path.split("/")[0] in (name, THE_APP)),
                    ],
                ),
            )
