"""What `app.py` costs against a bare CDK app with the same imports: `make benchmark`.

Both run alternately in processes of their own, with the settings of cdk.json, validation on and off; the fastest of
each counts, since anything slower was the machine's. Prints seconds and the ratio, all measured in this run.

`python -m benchmarks.synth --endpoints`: what one endpoint more costs, in environments of 1, 10, 100 and 300.
"""

import argparse
import ast
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BARE = """
{imports}
from aws_cdk import App, Stack
from cdk_nag import AwsSolutionsChecks
app = App()
aws_s3.Bucket(Stack(app, "Bare"), "Bucket")
app.synth()
"""


def cdk_modules() -> list[str]:
    """The modules of aws_cdk that the app imports, wherever it does."""
    found = {"aws_s3"}
    for file in [ROOT / "app.py", *ROOT.glob("stacks/*.py"), *ROOT.glob("constructs/hf_sagemaker/*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "aws_cdk":
                found |= {alias.name for alias in node.names if alias.name.startswith("aws_")}
    return sorted(found)


def seconds(script: Path, validation: bool) -> float:
    """Wall-clock seconds of one synth in a process and an output folder of its own."""
    with tempfile.TemporaryDirectory() as out:
        environment = os.environ | {
            "CDK_OUTDIR": out,
            "CDK_CONTEXT_JSON": json.dumps(json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]),
            "CDK_VALIDATION": str(validation).lower(),
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        start = time.perf_counter()
        subprocess.run([sys.executable, script], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


_OF_ENDPOINTS = """
import gc, json, sys, time
gc.disable()  # as app.py does
from pathlib import Path
import yaml
from aws_cdk import App, Stage
from stacks.ml_environment import MlEnvironment
from stacks.settings import EnvironmentSettings
content = yaml.safe_load(Path("environments/dev.yaml").read_text())
endpoint = content["inference"]["endpoints"][0]
package = "arn:aws:sagemaker:us-east-1:123456789012:model-package/dev-text/1"
content["inference"]["endpoints"] = [
    {**endpoint, "name": f"endpoint-{i:03}", "model": {"model_package": package}} for i in range(int(sys.argv[1]))
]
settings = EnvironmentSettings(**content)
context = json.loads(Path("cdk.json").read_text())["context"]
start = time.perf_counter()
Stage.synth(MlEnvironment(App(context=context, builtin_cloud_formation_validation=False), "dev", settings))
print(time.perf_counter() - start)
"""


def of_endpoints() -> None:
    """Milliseconds of synth that an endpoint costs, on top of an environment without one."""

    def synth(number: int) -> float:
        command = [sys.executable, "-c", _OF_ENDPOINTS, str(number)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        return float(done.stdout)

    without = min(synth(0) for _ in range(3))
    for number in (1, 10, 100, 300):
        each = (synth(number) - without) / number
        print(f"{number:3} endpoints: {each * 1000:.0f} ms each")


def main() -> int:
    """Exit code 1 when the ratio is above the limit, either way."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=3, help="of each app and setting (default 3)")
    arguments.add_argument("--limit", type=float, default=3.0, help="highest ratio that is accepted (default 3)")
    arguments.add_argument("--endpoints", action="store_true", help="what an endpoint more costs, and nothing else")
    options = arguments.parse_args()
    if options.endpoints:
        of_endpoints()
        return 0
    with tempfile.NamedTemporaryFile("w", suffix=".py") as bare:
        bare.write(_BARE.format(imports="\n".join(f"from aws_cdk import {module}" for module in cdk_modules())))
        bare.flush()
        worst = 0.0
        for validation in (True, False):
            runs = [
                (seconds(ROOT / "app.py", validation), seconds(Path(bare.name), validation))
                for _ in range(options.runs)
            ]
            app, base = (min(run[i] for run in runs) for i in (0, 1))
            worst = max(worst, app / base)
            print(
                f"validation {'on ' if validation else 'off'}: app {app:.1f} s, bare app {base:.1f} s, "
                f"ratio {app / base:.2f}"
            )
    print(f"limit {options.limit:.2f}: {'kept' if worst <= options.limit else 'missed'}")
    return 0 if worst <= options.limit else 1


if __name__ == "__main__":
    sys.exit(main())
