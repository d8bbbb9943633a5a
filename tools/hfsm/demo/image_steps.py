"""Step of the demo that waits for the container images."""

from hfsm.demo.demo_run import DemoRun
from hfsm.demo.report import ImageReport
from hfsm.demo.steps import StepLog
from hfsm.images import follow_images
from hfsm.progress import seconds_text


def follow_builds(run: DemoRun, log: StepLog) -> str:
    """Every image of the environment, whose builds the deployment has started, side by side."""
    built = follow_images(run.parameters, log.line)
    run.images = [ImageReport(name=image.name, seconds=image.seconds, digest=image.digest) for image in built]
    return ", ".join(f"{image.name} {seconds_text(image.seconds)}" for image in built)
