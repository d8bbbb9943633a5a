"""Asks a new serving image, before it is pushed, whether it serves a model.

    docker run IMAGE python /image_checks/inference.py CODE TRANSFORMERS

CODE: the folder of its entry point. TRANSFORMERS: the version that is pinned, or empty. The model is the smallest that
there is, with random weights: what counts is that the server comes up with it, and answers `/ping` and a request.
"""

import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from transformers_version import check_transformers

_HEALTHY_WITHIN_SECONDS = 180
_ANSWERED_WITHIN_SECONDS = 60
_STOPPED_WITHIN_SECONDS = 30


def main(code: str, transformers: str) -> None:
    check_transformers(transformers)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # the server may be another user
        make_model(Path(folder) / "model")
        port = free_port()
        variables = {
            "SAGEMAKER_BASE_DIR": folder,
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
            "HFSM_BIND_TO_HOST": "127.0.0.1",
        }
        command = [sys.executable, f"{code}/unprivileged.py", f"{code}/serve.py", "serve"]
        server = subprocess.Popen(command, env={**os.environ, **variables})
        try:
            wait_until_healthy(server, port)
            ask(port)
        finally:
            stop(server)


def make_model(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import DistilBertConfig, DistilBertForSequenceClassification, PreTrainedTokenizerFast

    words = {"[PAD]": 0, "[UNK]": 1, "anybody": 2}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        model_max_length=64,
        model_input_names=["input_ids", "attention_mask"],
    ).save_pretrained(folder)
    config = DistilBertConfig(
        vocab_size=len(words), max_position_embeddings=64, dim=8, hidden_dim=8, n_layers=1, n_heads=1
    )
    DistilBertForSequenceClassification(config).save_pretrained(folder)


def free_port() -> int:
    """Below 32768: the model server refuses higher ones. At random: builds on the same machine look for one, too."""
    for port in random.sample(range(8080, 32000), 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise SystemExit("no port is free")


def wait_until_healthy(server: subprocess.Popen[bytes], port: int) -> None:
    """SystemExit: it ended, or did not answer in time."""
    deadline = time.monotonic() + _HEALTHY_WITHIN_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SystemExit(f"the server ended with exit code {server.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=2) as answer:
                print(f"/ping answers {answer.status}", flush=True)
                return
        except OSError:
            time.sleep(0.5)
    raise SystemExit(f"/ping did not answer within {_HEALTHY_WITHIN_SECONDS} s")


def ask(port: int) -> None:
    """SystemExit: the answer is no label with its score."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations",
        data=json.dumps({"inputs": "Is anybody there?"}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_ANSWERED_WITHIN_SECONDS) as answer:
            text = answer.read().decode()
    except urllib.error.HTTPError as error:
        raise SystemExit(f"/invocations answers {error.code}: {error.read().decode()}") from None
    if not text.startswith("[{") or not {"label", "score"} <= set(json.loads(text)[0]):
        raise SystemExit(f"/invocations answers {text}, where a label and its score were to be")
    print("/invocations answers with a label", flush=True)


def stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(_STOPPED_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
