"""Our server on GPUs. Where the serving image's torch sees none, every test here is skipped and says so."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.answers import difference
from tests.runtime.drop_in_requests import Request, requests_of, task_of
from tests.runtime.served_model import NotServingError, Served, our_server

# One answer of few: of the hundreds of tokens that a random model puts into classes, some are as close as 16 bits are
_MODELS = ("text-classification", "zero-shot-classification", "image-classification")
_FP16 = 2e-2  # how far a probability may be from that of 32 bits
_ASK_GPUS = """
import json, torch
count = torch.cuda.device_count() if torch.cuda.is_available() else 0
print(json.dumps([torch.cuda.get_device_capability(number) for number in range(count)]))
"""
_COPY = """
import json, sys, torch
sys.path.insert(0, sys.argv[1])
from padding import to_device
from torch.profiler import ProfilerActivity, profile

torch.zeros(1, device="cuda")
with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
    moved = to_device(torch.arange(100_000), torch.device("cuda:0"))
    torch.cuda.synchronize()
print(json.dumps([str(moved.device), int(moved.sum()), [event.key for event in seen.key_averages()]]))
"""


@pytest.fixture(scope="module")
def capabilities(inference_python: Path) -> list[tuple[int, int]]:
    """Compute capability of each GPU."""
    said = json.loads(_run(inference_python, _ASK_GPUS))
    if not said:
        pytest.skip("the serving image's torch sees no GPU here (torch.cuda.is_available() is false)")
    return [tuple(each) for each in said]


@pytest.fixture(scope="module")
def models(capabilities, inference_python, run_python, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("gpu") / "models"
    maker = Path(__file__).parent / "drop_in_models.py"
    done = run_python(inference_python, str(maker), str(folder), *_MODELS)
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture
def serve(models: Path, inference_python, runtime, tmp_path_factory):
    def start(model: str, **variables: str):
        folder = tmp_path_factory.mktemp("server") / "server"
        # One worker is what served_model asks for where nothing else is said
        settings = {"HF_TASK": task_of(model), "SAGEMAKER_MODEL_SERVER_WORKERS": "", **variables}
        return our_server(inference_python, runtime / "inference/serve.py", models / model, folder, settings)

    return start


@pytest.mark.parametrize("model", _MODELS)
def test_half_precision_answers_as_32_bits_on_the_cpu(model: str, serve, models: Path) -> None:
    requests = [one for one in requests_of(model, models / "media") if _is_of_probabilities(one)]

    with serve(model, CUDA_VISIBLE_DEVICES="") as served:
        on_cpu = served.ask_together(requests, seed=5)
    with serve(model) as served:
        on_gpu = served.ask_together(requests, seed=5)

    assert {event["device"].partition(":")[0] for event in _ready_workers(served)} == {"cuda"}
    compared = zip(requests, on_cpu, on_gpu, strict=True)
    found = [f"{one}: {problem}" for one, cpu, gpu in compared if (problem := difference(cpu, gpu, tolerance=_FP16))]
    assert found == []


def test_each_gpu_has_a_worker(capabilities, serve) -> None:
    with serve("text-classification") as served:
        served.ask(Request.of("Is anybody there?"))

        devices = sorted(event["device"] for event in _ready_workers(served))

    assert devices == [f"cuda:{number}" for number in range(len(capabilities))]


def test_inputs_go_to_the_gpu_from_pinned_memory(capabilities, inference_python: Path, runtime: Path) -> None:
    device, total, events = json.loads(_run(inference_python, _COPY, str(runtime / "inference")))

    assert (device, total) == ("cuda:0", sum(range(100_000)))
    copies = [event for event in events if "Memcpy HtoD" in event]
    assert copies and all("Pinned" in event for event in copies), events


def test_the_log_says_how_much_memory_of_the_gpu_is_in_use(capabilities, serve) -> None:
    with serve("text-classification") as served:
        served.ask(Request.of("Is anybody there?"))
    lines = [line for line in served.output.read_text().splitlines() if line.startswith('{"_aws"')]

    assert any(max(json.loads(line).get("GPUMemory", [0])) > 0 for line in lines), lines


def test_bfloat16_serves_only_where_the_gpu_computes_in_it(capabilities, serve) -> None:
    if min(capabilities) >= (8, 0):
        with serve("text-classification", HFSM_DTYPE="bfloat16") as served:
            assert served.ask(Request.of("Is anybody there?")).status == 200
        return

    with pytest.raises(
        NotServingError, match=r"HFSM_DTYPE is bfloat16, which .* does not compute in: set it to float16"
    ):
        serve("text-classification", HFSM_DTYPE="bfloat16").__enter__()


def _is_of_probabilities(request: Request) -> bool:
    """Raw scores have no scale that a tolerance could be of."""
    return b"function_to_apply" not in request.body


def _ready_workers(served: Served) -> list[dict[str, Any]]:
    lines = [line for line in served.output.read_text().splitlines() if line.startswith("{")]
    return [event for line in lines if (event := json.loads(line)).get("event") == "worker ready"]


def _run(python: Path, script: str, *arguments: str) -> str:
    """The last line that it prints."""
    done = subprocess.run(
        [str(python), "-c", script, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]
