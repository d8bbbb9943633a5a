"""Mutants of controls 53 to 63: one state of the training workflow is broken."""

import json
from collections.abc import Callable
from typing import Any

from tests.compliance.mutant import Mutant, Stacks, first

State = dict[str, Any]


def in_the_definition(name: str, break_: Callable[[State], object]) -> Mutant:
    """Breaks the state of that name in the definition, which the template holds as parts of a text."""

    def mutant(stacks: Stacks) -> None:
        properties = first(stacks, "AWS::StepFunctions::StateMachine")["Properties"]
        parts = properties["DefinitionString"]["Fn::Join"][1]
        # A reference is a part of its own; a mark stands for it while the text is JSON.
        references = {f"<<{i}>>": part for i, part in enumerate(parts) if not isinstance(part, str)}
        text = "".join(part if isinstance(part, str) else f"<<{i}>>" for i, part in enumerate(parts))
        definition = json.loads(text)
        break_(definition["States"][name])
        pieces: list[Any] = [json.dumps(definition)]
        for mark, reference in references.items():
            pieces = [part for piece in pieces for part in _split(piece, mark, reference)]
        properties["DefinitionString"] = {"Fn::Join": ["", pieces]}

    return mutant


def _split(piece: Any, mark: str, reference: Any) -> list[Any]:
    if not isinstance(piece, str):
        return [piece]
    parts: list[Any] = []
    for i, text in enumerate(piece.split(mark)):
        parts += [reference, text] if i else [text]
    return parts


def _no_network(state: State) -> None:
    state["Parameters"].pop("VpcConfig")


def _not_isolated(state: State) -> None:
    state["Parameters"]["EnableNetworkIsolation"] = False


def _plain_traffic(state: State) -> None:
    state["Parameters"].pop("EnableInterContainerTrafficEncryption")


def _key_for_local_storage(state: State) -> None:
    state["Parameters"]["defaults"]["instance_types"]["ml.g4dn.xlarge"] = True


def _spot_without_checkpoints(state: State) -> None:
    state["Parameters"].pop("CheckpointConfig")


def _the_spot_jobs_name(state: State) -> None:
    state["Parameters"]["TrainingJobName.$"] = "States.Format('{}-{}', $.job.spot_job_name, $$.Execution.RedriveCount)"


def _no_jitter(state: State) -> None:
    state["Retry"][0].pop("JitterStrategy")


def _no_limit(state: State) -> None:
    state.pop("TimeoutSeconds")


def _dangling(state: State) -> None:
    state["Next"] = "Nowhere"


def _everything(state: State) -> None:
    state.pop("ResultPath")


def _unguarded(state: State) -> None:
    state["Choices"][1] = {"Variable": "$.failure.Cause", "StringMatches": "*", "Next": state["Choices"][1]["Next"]}


MUTANTS: dict[int, Mutant] = {
    53: in_the_definition("TrainOnDemand", _no_network),
    54: in_the_definition("TrainOnSpot", _not_isolated),
    55: in_the_definition("TrainOnDemand", _plain_traffic),
    56: in_the_definition("Validate", _key_for_local_storage),
    57: in_the_definition("TrainOnSpot", _spot_without_checkpoints),
    58: in_the_definition("TrainOnDemand", _the_spot_jobs_name),
    59: in_the_definition("Register", _no_jitter),
    60: in_the_definition("Evaluate", _no_limit),
    61: in_the_definition("ReadJobFailure", _dangling),
    62: in_the_definition("Register", _everything),
    63: in_the_definition("WhySpotEnded", _unguarded),
}
