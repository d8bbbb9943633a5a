"""How the metrics of a job are read out of its log. Never imports aws_cdk: settings are checked against them."""

from collections.abc import Mapping

METRIC_DEFINITIONS: tuple[Mapping[str, str], ...] = (
    {"Name": "loss", "Regex": r"hfsm\.step step=[0-9]+ loss=([0-9.]+)"},
    {"Name": "eval_accuracy", "Regex": r"eval_accuracy=([0-9.]+)"},
    {"Name": "eval_loss", "Regex": r"eval_loss=([0-9.]+)"},
    {"Name": "majority_baseline", "Regex": r"majority_baseline=([0-9.]+)"},
    {"Name": "final_step", "Regex": r"final_step=([0-9]+)"},
)
"""What the training code of this library prints."""
