"""`hfsm approve`: a person's decision about a registered model, and what follows from it."""

from dataclasses import dataclass

from hfsm.cloud import Parameters
from hfsm.errors import WrongUseError
from hfsm.registry import Model, describe, group_of, listed

APPROVED, REJECTED = "Approved", "Rejected"
_LONGEST_NOTE = 1024


@dataclass(frozen=True)
class Decision:
    """About one model. others: the approved versions of its job type, but for this one."""

    parameters: Parameters
    model: Model
    others: list[int]

    def shown(self) -> list[str]:
        """Lines for whoever is to say yes."""
        model = self.model
        facts = {
            "approval": model.approval,
            "gate": model.gate,
            "registered": model.created,
            **{f"data {channel}": value for channel, value in model.data.items()},
            "image": model.image,
            "code": " ".join(filter(None, (model.metadata.get(each) for each in ("repository", "commit", "source")))),
            "parent": model.metadata.get("parent", ""),
            "report": model.metadata.get("report", ""),
        }
        told = [f"  {name:<12} {value}" for name, value in facts.items() if value]
        return [f"{model.job_type} version {model.version} of {self.parameters.environment}:", *told]

    def make(self, *, approved: bool, note: str = "") -> str:
        """Write the decision down; what follows from it, in a paragraph.

        note: kept as the approval's description. WrongUseError: it is too long.
        """
        if len(note) > _LONGEST_NOTE:
            raise WrongUseError(f"The note has {len(note)} characters; SageMaker keeps {_LONGEST_NOTE}.")
        self.parameters.cloud.client("sagemaker").update_model_package(
            ModelPackageArn=self.model.arn,
            ModelApprovalStatus=APPROVED if approved else REJECTED,
            **({"ApprovalDescription": note} if note else {}),
        )
        what = f"{self.model.job_type} version {self.model.version}"
        said = f"{what} is {'approved' if approved else 'rejected'}."
        if self.parameters.find(f"models/{self.model.job_type}/approved") is None:
            return f"{said} {self._nobody_follows(approved=approved)}".strip()
        newest = max(self.others, default=0)
        if approved and newest > self.model.version:
            return (
                f"{said} Version {newest} is approved too and newer: endpoints go on with that. Reject it, and they "
                "go back to this one."
            )
        if approved:
            return f"{said} Endpoints that follow {self.model.job_type} are moved to it; `hfsm status` shows how far."
        if not newest:
            return (
                f"{said} No other version is approved, and no endpoint is taken away: one that serves this model goes "
                "on. Write `model: null` into its settings and deploy to stop it."
            )
        return f"{said} Endpoints that serve it go back to version {newest}; `hfsm status` shows how far."

    def _nobody_follows(self, *, approved: bool) -> str:
        if not approved:
            return ""
        return (
            f"No endpoint follows {self.model.job_type}: name the model in the settings of one, `model: "
            f"{{model_package: {self.model.arn}}}`, or let it follow, `model: {{approved: {self.model.job_type}}}`, "
            "and deploy."
        )


def prepare(parameters: Parameters, job_type: str, version: int | None) -> Decision:
    """The model to decide on. version: None: the newest. WrongUseError: there is no such job type or version."""
    found = listed(parameters, group_of(parameters, job_type))
    by_number = {int(each["ModelPackageVersion"]): each for each in found}
    if not by_number:
        raise WrongUseError(f"{job_type} has registered no model in {parameters.environment} yet: `hfsm train`.")
    number = max(by_number) if version is None else version
    if number not in by_number:
        numbers = ", ".join(map(str, list(by_number)[:10]))
        raise WrongUseError(f"{job_type} has no version {number}. The newest are: {numbers}.")
    others = [
        each for each, summary in by_number.items() if summary.get("ModelApprovalStatus") == APPROVED and each != number
    ]
    return Decision(parameters, describe(parameters, job_type, by_number[number]["ModelPackageArn"]), others)
