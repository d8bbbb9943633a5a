"""What moto forgets of a function's configuration, kept and told.

moto takes DeadLetterConfig and LoggingConfig and drops them, and an update changes neither the key, nor tracing, nor
the size of /tmp.
"""

from typing import Any

from moto.awslambda.models import LambdaFunction


class LocalFunction(LambdaFunction):
    """A function that remembers. moto makes its own class; `remember` turns one of those into this."""

    dead_letter_target: str | None
    logging: dict[str, Any]

    def get_configuration(self, on_create: bool = False) -> dict[str, Any]:
        told: dict[str, Any] = super().get_configuration(on_create)
        if self.dead_letter_target:
            told["DeadLetterConfig"] = {"TargetArn": self.dead_letter_target}
        return told | {"LoggingConfig": {"LogFormat": "Text"} | self.logging | {"LogGroup": self.logs_group_name}}

    def update_configuration(self, config_updates: dict[str, Any]) -> dict[str, Any]:
        super().update_configuration(config_updates)
        self.take(config_updates)
        return self.get_configuration()

    def take(self, settings: dict[str, Any]) -> None:
        if "KMSKeyArn" in settings:
            self.kms_key_arn = settings["KMSKeyArn"]
        if "TracingConfig" in settings:
            self.tracing_config = settings["TracingConfig"]
        if "EphemeralStorage" in settings:
            self.ephemeral_storage = settings["EphemeralStorage"]["Size"]
        if "DeadLetterConfig" in settings:
            self.dead_letter_target = settings["DeadLetterConfig"].get("TargetArn") or None
        if "LoggingConfig" in settings:
            self.logging = dict(settings["LoggingConfig"])
            self.logs_group_name = self.logging.get("LogGroup") or self.logs_group_name


def remember(function: LambdaFunction, settings: dict[str, Any]) -> LocalFunction:
    """The same function, with what it was created with."""
    kept: Any = function
    kept.__class__ = LocalFunction
    kept.dead_letter_target, kept.logging = None, {}
    kept.take(settings)
    function_: LocalFunction = kept
    return function_
