"""The CDK app: one stage per file in environments/ and one for the organisation, judged, synthesised."""

import gc
import sys
from importlib import import_module
from pathlib import Path
from threading import Thread

# A synth lives for seconds and keeps what it makes: looking for garbage costs a tenth of it.
gc.disable()
# The CDK's other process takes half a second to start. What settings need, which is nothing of it, is loaded meanwhile.
Thread(target=import_module, args=("aws_cdk",)).start()

from stacks.settings_files import SettingsError, load_environments, load_organization

# isort: split
from aws_cdk import App

from hf_sagemaker.guardrails import PolicyTooLongError
from stacks.gate import Gate
from stacks.ml_environment import MlEnvironment
from stacks.organization import Organization
from stacks.promotion_settings import destinations

ROOT = Path(__file__).parent


def main() -> int:
    """Synthesises every environment.

    Context `environments`: folder with the settings files. Omitted: environments/ beside this file.
    Context `compliance`: folder for the evidence. Omitted: build/compliance/ beside this file.

    Returns 0; 1 when a rule is broken and not acknowledged, or something did not judge; 2 when a settings file is
    wrong, and then nothing is synthesised.
    """
    app = App()
    try:
        folder = Path(app.node.try_get_context("environments") or ROOT / "environments")
        environments, organization = load_environments(folder), load_organization(folder)
        for name, settings in environments.items():
            MlEnvironment(app, name, settings, destinations(name, environments))
        if organization:
            Organization(app, organization, environments)
    except (SettingsError, PolicyTooLongError) as error:
        print(error, file=sys.stderr)
        return 2
    evidence = Path(app.node.try_get_context("compliance") or ROOT / "build/compliance")
    if problems := Gate(app).synthesise(evidence):
        print("\n".join(problems), file=sys.stderr)
        print(
            f"{len(problems)} findings: mend them, or acknowledge them at the resource with a reason.", file=sys.stderr
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
