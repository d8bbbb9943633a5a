"""Controls 58 to 62: state machines that retry with patience, and end in time, with every error."""

import re
from collections.abc import Iterator, Mapping, Set

from hf_sagemaker.controls.control import Breach, Control, Proof, judge
from hf_sagemaker.controls.state_machines import (
    Graph,
    State,
    StateMachine,
    integration,
    job_kind,
    state_machines,
    ways,
)
from hf_sagemaker.controls.templates import Templates
from hf_sagemaker.controls.training import WITH_A_JOB_TYPE
from hf_sagemaker.job_kinds import TRANSFORM, JobKind

_LENGTH_OF_UUID = 36
_LENGTH_OF_HASH = 32
_STATES_NAME = "$$.State.Name"
_HASH_OF_EXECUTION = re.compile(
    r"(?:States\.Format\('(?P<prefix>[a-zA-Z0-9-]*)\{\}', )?"
    r"States\.Hash\(States\.Format\('[{}/]+', \$\$\.Execution\.Id(?:, \$\$[\w.]+)*\), 'MD5'\)"
    r"(?(prefix)\))"
)
_MOST_ATTEMPTS = 100
_FAILS_ITSELF = "aws-sdk:sfn:sendTaskFailure.waitForTaskToken"
"""A task that ends the execution as failed, so that a redrive runs it again: a `Fail` state would fail again."""
_NUMBERED = re.compile(r"States\.Format\('\{\}-\{\}', (?P<path>\$\.[\w.]+), \$\$\.Execution\.RedriveCount\)")
# What each integration calls the errors that pass by themselves: throttling, faults of the service. A quota that is
# used up is none of them: people raise it.
_TRANSIENT: Mapping[str, Set[str]] = {
    "sagemaker:create": {"SageMaker.AmazonSageMakerException"},
    "aws-sdk:sagemaker:": {"SageMaker.SageMakerException"},
    "aws-sdk:ssm:": {"Ssm.SsmException"},
    "aws-sdk:sfn:": {"Sfn.SfnException"},
    "sns:publish": {"SNS.AmazonSNSException", "SNS.ThrottledException"},
    "lambda": {"Lambda.AWSLambdaException", "Lambda.ServiceException", "Lambda.TooManyRequestsException"},
}
_ENDS = ("Succeed", "Fail")


def names_jobs_apart(templates: Templates) -> Iterator[Proof | Breach]:
    """Two executions, and two attempts of one, never give a job the same name; none is too long.

    That the function which makes the names keeps these promises is shown by a test.
    """
    for machine in state_machines(templates):
        expressions: list[str] = []
        for name, task, kind in machine.job_tasks:
            expression = str(task.get("Parameters", {}).get(f"{kind.api}Name.$", ""))
            fault = _name_fault(machine, expression, kind)
            if expression in expressions and _STATES_NAME not in expression:
                fault = f"has the same {kind.api}Name as another state; each attempt needs one of its own"
            expressions.append(expression)
            yield judge(machine.resource, not fault, f"state {name} {fault}.")


def _name_fault(machine: StateMachine, expression: str, kind: JobKind) -> str:
    member, longest = f"{kind.api}Name", kind.longest_name
    if not expression:
        return f"has a {member} that is the same in every execution; it must come from the execution's id"
    if hashed := _HASH_OF_EXECUTION.fullmatch(expression):
        too_long = len(hashed["prefix"] or "") + _LENGTH_OF_HASH > longest
        return f"makes a {member} of more than {longest} characters" if too_long else ""
    if numbered := _NUMBERED.fullmatch(expression):
        expression = numbered["path"]
    if "$$.Execution" in expression:
        return f"uses the execution's name as it is, which may be longer than {longest} characters"
    if unique := re.fullmatch(r"States\.Format\('([a-z0-9-]*)\{\}([a-z0-9-]*)', States\.UUID\(\)\)", expression):
        too_long = len(unique[1] + unique[2]) + _LENGTH_OF_UUID > longest
        return f"makes a {member} of more than {longest} characters" if too_long else ""
    made_by_functions = any(
        _is_function(state)
        and expression.startswith(f"{state.get('ResultPath')}.")
        and any(str(value).startswith("$$.Execution.") for value in state.get("Parameters", {}).values())
        for _, state in machine.tasks
    )
    return "" if made_by_functions else f"takes {member} from its input; a function must make it of the execution"


def retries_and_catches(templates: Templates) -> Iterator[Proof | Breach]:
    """Each task tries again when a service has no room, not all at once, and not for ever; then its error is caught.

    That people are told is no matter of the machine: the service reports every end of an execution, stopped ones too.
    """
    for machine in state_machines(templates):
        for name, task in machine.tasks:
            faults = [*_retry_faults(task), *_catch_faults(task)]
            yield judge(machine.resource, not faults, f"state {name}: {'; '.join(faults)}.")


def _retry_faults(task: State) -> Iterator[str]:
    retries = task.get("Retry", [])
    retried = {error for retry in retries for error in retry["ErrorEquals"]}
    everything = {"States.ALL", "States.TaskFailed"} & retried
    if (missing := _transient(task) - retried) and not everything:
        yield f"it must retry {', '.join(sorted(missing))}"
    if everything and job_kind(task):
        yield f"it retries {', '.join(sorted(everything))}: a script that failed would be paid for again"
    for retry in retries:
        if retry.get("JitterStrategy") != "FULL":
            yield f"the retry of {retry['ErrorEquals'][0]} needs JitterStrategy FULL, or all come back at once"
        if not 0 < retry.get("MaxAttempts", 0) < _MOST_ATTEMPTS:
            yield f"the retry of {retry['ErrorEquals'][0]} needs MaxAttempts between 1 and {_MOST_ATTEMPTS - 1}"


def _transient(task: State) -> Set[str]:
    called = "lambda" if _is_function(task) else integration(task)
    return next((errors for prefix, errors in _TRANSIENT.items() if called.startswith(prefix)), {"States.TaskFailed"})


def _is_function(state: State) -> bool:
    """Whether the task calls a Lambda function: by its ARN, or by the integration."""
    resource = str(state.get("Resource", ""))
    return "lambda:invoke" in resource or ":lambda:" in resource or resource.endswith(".Arn}")


def _catch_faults(task: State) -> Iterator[str]:
    caught = {error for catch in task.get("Catch", []) for error in catch["ErrorEquals"]}
    if "States.ALL" not in caught and integration(task) != _FAILS_ITSELF:
        yield "it must catch States.ALL"


def ends_in_time(templates: Templates) -> Iterator[Proof | Breach]:
    """No task, no job and no execution runs for ever, and no task gives up before the function that it calls."""
    for machine in state_machines(templates):
        limited = isinstance(machine.definition.get("TimeoutSeconds"), int)
        yield judge(machine.resource, limited, "executions need TimeoutSeconds.")
        for name, task in machine.tasks:
            faults = list(_time_faults(templates, task))
            yield judge(machine.resource, not faults, f"state {name}: {'; '.join(faults)}.")


def _time_faults(templates: Templates, task: State) -> Iterator[str]:
    seconds = task.get("TimeoutSeconds")
    if seconds is None and "TimeoutSecondsPath" not in task:
        yield "it needs TimeoutSeconds"
    request, kind = task.get("Parameters", {}), job_kind(task)
    stopping = request.get("TrainingJobDefinition", request).get("StoppingCondition", {})
    # A transform job has none: its state's limit is all there is.
    if kind and kind is not TRANSFORM and not {"MaxRuntimeInSeconds", "MaxRuntimeInSeconds.$"} & set(stopping):
        yield "its job needs StoppingCondition.MaxRuntimeInSeconds"
    function = templates.find(task.get("Resource")) or templates.find(task.get("Parameters", {}).get("FunctionName"))
    if function is not None and seconds is not None and function.properties.get("Timeout", 3) >= seconds:
        yield f"it gives up after {seconds} s, before {function.path} does"


def leads_to_an_end(templates: Templates) -> Iterator[Proof | Breach]:
    """Every state is reached, every name in it exists, and from each there is a way to an end."""
    for machine in state_machines(templates):
        faults = [fault for graph in machine.graphs for fault in _graph_faults(graph)]
        yield judge(machine.resource, not faults, f"{'; '.join(faults)}.")


def _graph_faults(graph: Graph) -> Iterator[str]:
    states: Mapping[str, State] = graph["States"]
    for name, state in states.items():
        yield from (
            f"state {name} leads to {next_}, which does not exist" for next_ in ways(state) if next_ not in states
        )
        if state["Type"] == "Choice" and "Default" not in state:
            yield f"state {name} has no Default, so an execution that no choice fits dies there"
        if state["Type"] not in ("Choice", *_ENDS) and ("Next" in state) == bool(state.get("End")):
            yield f"state {name} needs either Next or End"
    if graph["StartAt"] not in states:
        yield f"it starts at {graph['StartAt']}, which does not exist"
    reached = _reachable(states, {graph["StartAt"]})
    yield from (f"state {name} is never reached" for name in states if name not in reached)
    for name in states:
        if not any(_is_end(states[other]) for other in _reachable(states, {name})):
            yield f"no way leads from state {name} to an end"


def _is_end(state: State) -> bool:
    return state["Type"] in _ENDS or bool(state.get("End"))


def _reachable(states: Mapping[str, State], start: Set[str]) -> set[str]:
    reached: set[str] = set()
    todo = list(start)
    while todo:
        name = todo.pop()
        if name in states and name not in reached:
            reached.add(name)
            todo += ways(states[name])
    return reached


def carries_little(templates: Templates) -> Iterator[Proof | Breach]:
    """No task replaces what the execution carries by its whole answer: 256 KiB is all that fits."""
    for machine in state_machines(templates):
        for name, task in machine.tasks:
            narrow = task.get("ResultPath", "$") != "$" or "ResultSelector" in task
            problem = f"state {name} passes on all that it is answered; it needs ResultPath or ResultSelector."
            yield judge(machine.resource, narrow, problem)


CONTROLS = (
    Control(
        58,
        "TrainingJobName from `$$.Execution.Name`/`States.UUID()`, attempt-unique, ≤63 chars",
        "SFN",
        names_jobs_apart,
        WITH_A_JOB_TYPE,
    ),
    Control(
        59,
        "each Task: Retry for throttling/capacity with JitterStrategy FULL, finite MaxAttempts; Catch States.ALL",
        "SFN",
        retries_and_catches,
        WITH_A_JOB_TYPE,
    ),
    Control(
        60, "TimeoutSeconds/MaxRuntime on every Task; machine TimeoutSeconds", "SFN", ends_in_time, WITH_A_JOB_TYPE
    ),
    Control(61, "every state reachable, no dangling Next, every path ends", "SFN", leads_to_an_end, WITH_A_JOB_TYPE),
    Control(62, "payload guard: no large data through state (256 KiB)", "SFN", carries_little, WITH_A_JOB_TYPE),
)
