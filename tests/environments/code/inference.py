"""Inference code of a team's own, which marks its answers."""

from typing import Any

from mark import MARK
from transformers import pipeline


def model_fn(model_dir: str) -> Any:
    """The pipeline of the task that the endpoint serves."""
    return pipeline("text-classification", model=model_dir)


def predict_fn(data: dict[str, Any], model: Any) -> Any:
    """Its answers, marked."""
    return [{**answer, "by": MARK} for answer in model(data["inputs"])]
