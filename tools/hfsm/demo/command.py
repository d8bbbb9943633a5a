"""`hfsm demo`: the steps in their order, and the promise that nothing of them is left behind."""

import fcntl
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import yaml
from rich.console import Console

from hfsm import dataset, local
from hfsm.demo import deploy_steps, endpoint_steps, image_steps, report, training_steps
from hfsm.demo.commands import seconds_since
from hfsm.demo.demo_run import ENVIRONMENT, DemoPaths, DemoRun
from hfsm.demo.report import DeployReport, Report
from hfsm.demo.steps import Step, StepFailedError, StepLog, run_steps
from hfsm.errors import FAILED, OperatorError, WrongUseError, raise_problems
from hfsm.processes import kill, leftovers
from hfsm.train import say

DATA = Path(__file__).parent / "data"

_PLAN: list[tuple[str, str, Callable[[DemoRun, StepLog], str]]] = [
    ("start", "Start the embedded AWS", deploy_steps.start_cloud),
    ("bootstrap", "cdk bootstrap", deploy_steps.bootstrap),
    ("synth", "cdk synth", deploy_steps.synth),
    ("deploy", "cdk deploy 'dev/*'", deploy_steps.deploy),
    ("images", "Wait for the builds of both images, which the deployment has started", image_steps.follow_builds),
    ("upload", "Upload the data", training_steps.upload_data),
    ("train", "Train on spot, with an interruption", training_steps.train),
    ("approve", "Approve the model", training_steps.approve),
    ("endpoint", "Deploy the endpoint by a change of settings", deploy_steps.deploy_endpoint),
    ("predict", "Predict through the endpoint", endpoint_steps.predict),
    ("stop", "Stop everything", deploy_steps.stop_cloud),
]


def run_demo(
    data: Path | None, model: Path | None, *, keep: bool, console: Console, paths: DemoPaths | None = None
) -> int:
    """Run the demo and write its report. Returns the exit code.

    data: folder with train.jsonl and test.jsonl; left out: the data set that comes with the demo. model:
    folder of a pretrained model to start from; left out: a small new one. keep: leave the embedded AWS
    running at the end. Raises WrongUseError for a wrong folder before anything is started.
    """
    started = time.monotonic()
    run = _prepare(data, model, paths or DemoPaths())
    plan = [Step(name, title, partial(action, run)) for name, title, action in _PLAN if not (keep and name == "stop")]
    kept = False
    with _only_demo(run.paths):
        try:
            seconds = run_steps(plan, run.paths.logs, console)
            kept = keep
        except StepFailedError as error:
            say(console, error.message)
            say(console, f"The log of the embedded AWS: {_saved_log(run.paths)}")
            return FAILED
        except KeyboardInterrupt:
            say(console, f"Interrupted. Stopping everything; the logs are in {run.paths.logs}.")
            return FAILED
        finally:
            if not kept:
                _stop_everything(run.paths)
    result = _report(run, seconds, seconds_since(started))
    run.paths.report.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    report.show(result, console)
    say(console, f"Report: {run.paths.report}")
    if keep:
        say(console, f"The embedded AWS still runs at {run.endpoint_url}. What to do with it:")
        say(console, f"  export HFSM_LOCAL_DIR={run.paths.state}")
        say(console, '  hfsm status --local; hfsm predict sentiment "…" --local; hfsm local down')
    return 0


def _prepare(data: Path | None, model: Path | None, paths: DemoPaths) -> DemoRun:
    folder = (data or DATA).absolute()
    problems = dataset.check_folder(folder)[1]
    if model is not None and not (model / "config.json").is_file():
        problems.append(f"{model} holds no config.json. Name a folder that `save_pretrained` has written.")
    raise_problems(problems)
    settings = paths.root / "environments" / f"{ENVIRONMENT}.yaml"
    try:
        document = yaml.safe_load(settings.read_text(encoding="utf-8"))
        account, region = str(document["account"]), str(document["region"])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise WrongUseError(f"{settings} cannot be used: {error}. It must name the account and the region.") from None
    return DemoRun(paths, folder, model.absolute() if model else None, account, region)


@contextmanager
def _only_demo(paths: DemoPaths) -> Iterator[None]:
    """One demo at a time writes to its folder; what an earlier one wrote there is removed first."""
    paths.build.mkdir(parents=True, exist_ok=True)
    with (paths.build / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OperatorError(
                f"A demo is running already: it holds {paths.build / 'lock'}. Wait for it, or end it by Ctrl-C."
            ) from None
        shutil.rmtree(paths.logs, ignore_errors=True)
        paths.report.unlink(missing_ok=True)
        yield


def _stop_everything(paths: DemoPaths) -> None:
    """However the demo ended: no process of it stays. A second Ctrl-C does not stop the stopping."""
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        local.down(paths.state)
        kill(leftovers(paths.state))
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _saved_log(paths: DemoPaths) -> Path:
    """The embedded AWS's log, copied to the other logs: the next demo empties its state folder."""
    copy = paths.logs / "localcloud.log"
    if local.log_file(paths.state).exists():
        shutil.copyfile(local.log_file(paths.state), copy)
    return copy


def _report(run: DemoRun, seconds: dict[str, float], total: float) -> Report:
    assert run.training is not None and run.registry is not None and run.endpoint is not None
    return Report(
        deploy=DeployReport(
            seconds=round(seconds["deploy"], 3),
            bootstrap_seconds=round(seconds["bootstrap"], 3),
            synth_seconds=round(seconds["synth"], 3),
            update_seconds=round(seconds["endpoint"], 3),
            stacks=run.stacks,
            unsupported_resource_types=run.unsupported,
        ),
        images=run.images,
        training=run.training,
        registry=run.registry,
        endpoint=run.endpoint,
        predictions=run.predictions,
        total_seconds=total,
    )
