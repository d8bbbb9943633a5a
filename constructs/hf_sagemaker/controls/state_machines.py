"""State machines as a reviewer reads them: their definitions, the tasks in them, and the ways between states."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hf_sagemaker.controls.templates import Resource, Templates
from hf_sagemaker.job_kinds import KINDS, JobKind

STATE_MACHINE = "AWS::StepFunctions::StateMachine"
State = Mapping[str, Any]
Graph = Mapping[str, Any]
"""`StartAt` and `States`: a definition, or what a Parallel or Map state runs."""


@dataclass(frozen=True)
class StateMachine:
    """One state machine with its definition, in which references are text, see `Templates.resolve`."""

    resource: Resource
    definition: Graph

    @property
    def graphs(self) -> list[Graph]:
        """The definition, and every one inside its Parallel and Map states."""
        return list(_graphs(self.definition))

    @property
    def states(self) -> list[tuple[str, State]]:
        """Every state with its name, those inside of Parallel and Map states too."""
        return [(name, state) for graph in self.graphs for name, state in graph["States"].items()]

    @property
    def tasks(self) -> list[tuple[str, State]]:
        """Every Task state with its name."""
        return [(name, state) for name, state in self.states if state["Type"] == "Task"]

    @property
    def job_tasks(self) -> list[tuple[str, State, JobKind]]:
        """The tasks that run SageMaker jobs, with their names and the kinds of jobs."""
        return [(name, state, kind) for name, state in self.tasks if (kind := job_kind(state))]


def state_machines(templates: Templates) -> list[StateMachine]:
    """Every state machine of the environment.

    Raises ValueError for a definition that cannot be read here: one in S3, or one in JSONata.
    """
    return [StateMachine(machine, _definition(machine)) for machine in templates.resources(STATE_MACHINE)]


def _definition(machine: Resource) -> Graph:
    text = machine.properties.get("DefinitionString")
    if not isinstance(text, str):
        raise ValueError(f"the definition of {machine.path} is no text in the template")
    definition: Graph = json.loads(text)
    if '"JSONata"' in text:
        raise ValueError(f"the definition of {machine.path} is in JSONata, which no control reads yet")
    return definition


def _graphs(graph: Graph) -> Iterator[Graph]:
    yield graph
    for state in graph["States"].values():
        inner = [state.get("Iterator"), state.get("ItemProcessor"), *state.get("Branches", [])]
        for branch in inner:
            if branch:
                yield from _graphs(branch)


def integration(state: State) -> str:
    """What a task calls: the end of its `Resource`, for example `sagemaker:createTrainingJob.sync` or `function:…`."""
    return str(state.get("Resource", "")).split(":::")[-1]


def job_kind(state: State) -> JobKind | None:
    """What kind of SageMaker job the task runs. None: it runs none, or one of a kind that nobody judges."""
    called = integration(state)
    return next((kind for kind in KINDS if called.startswith(f"sagemaker:create{kind.api}")), None)


def ways(state: State) -> list[str]:
    """The states that may follow, in the order in which the state names them."""
    branches = [*state.get("Choices", []), *state.get("Catch", [])]
    return [name for name in (state.get("Next"), *(b.get("Next") for b in branches), state.get("Default")) if name]


def request_defaults(machine: StateMachine) -> list[Mapping[str, Any]]:
    """What the machine hands to the function that turns a training request into a job: its limits and constants."""
    return [
        value
        for _, state in machine.tasks
        for value in state.get("Parameters", {}).values()
        if isinstance(value, dict) and "instance_types" in value
    ]
