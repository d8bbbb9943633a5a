"""`arn:aws:states:::codebuild:startBuild` in the interpreter: request and response, and `.sync`."""

from collections.abc import Callable
from typing import Any

from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.utils.boto_client import boto_client_for

from localcloud.stepfunctions.sagemaker_task import SageMakerTask, as_json


class CodeBuildTask(SageMakerTask):
    """One task state that starts a build. Replaces moto's `StateTaskServiceUnsupported` for this service."""

    service_name = "CodeBuild"
    service_in_words = "AWSCodeBuild"

    def _get_supported_parameters(self) -> set[str] | None:
        """None makes the interpreter refuse the definition: another action than the one that is here."""
        if self.resource.api_action.lower() != "startbuild":
            return None
        return set() if self.resource.condition in (None, ResourceCondition.Sync) else None

    def _eval_service_task(
        self,
        env: Any,
        resource_runtime_part: Any,
        normalised_parameters: dict[str, Any],
        state_credentials: Any,
    ) -> None:
        client: Any = boto_client_for(
            service="codebuild", region=resource_runtime_part.region, state_credentials=state_credentials
        )
        self._client = client
        started = client.start_build(**_untitled(normalised_parameters))
        env.stack.append(_titled(as_json({"build": started["build"]})))

    def _exception_name(self, code: str) -> str:
        return code if code.endswith("Exception") else "AWSCodeBuildException"

    def _build_sync_resolver(
        self,
        env: Any,
        resource_runtime_part: Any,
        normalised_parameters: dict[str, Any],
        state_credentials: Any,
    ) -> Callable[[], dict[str, Any] | None]:
        """A function that answers the finished build, None while it runs, and raises when it did not succeed."""
        build_id = env.stack.pop()["Build"]["Id"]
        self._stop = lambda: self._client.stop_build(id=build_id)

        def finished() -> dict[str, Any] | None:
            (build,) = self._client.batch_get_builds(ids=[build_id])["builds"]
            if not build["buildComplete"]:
                return None
            described: dict[str, Any] = _titled(as_json({"build": build}))
            if build["buildStatus"] != "SUCCEEDED":
                raise self.failed(env, described)
            return described

        return finished


def _titled(value: Any) -> Any:
    """Names of members as Step Functions has them."""
    return _renamed(value, str.upper)


def _untitled(value: Any) -> Any:
    """Names of members as CodeBuild has them."""
    return _renamed(value, str.lower)


def _renamed(value: Any, first: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {first(key[0]) + key[1:]: _renamed(member, first) for key, member in value.items()}
    if isinstance(value, list):
        return [_renamed(member, first) for member in value]
    return value
