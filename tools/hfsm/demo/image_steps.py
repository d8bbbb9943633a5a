"""Step of the demo that builds the container images."""

from hfsm.demo.demo_run import DemoRun
from hfsm.demo.report import ImageReport
from hfsm.demo.steps import StepLog
from hfsm.images import build_images as build
from hfsm.progress import seconds_text


def build_images(run: DemoRun, log: StepLog) -> str:
    """Every image of the environment, side by side, as CodeBuild does."""
    built = build(run.parameters, log.line)
    run.images = [ImageReport(name=image.name, seconds=image.seconds, digest=image.digest) for image in built]
    return ", ".join(f"{image.name} {seconds_text(image.seconds)}" for image in built)
