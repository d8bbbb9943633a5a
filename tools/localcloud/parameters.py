"""SSM parameters that remember who wrote them, and of whose values EventBridge hears. moto's do neither."""

from typing import Any

import moto.ssm.urls
from moto.core.responses import ActionResult
from moto.ssm.responses import SimpleSystemManagerResponse
from moto.sts.models import sts_backends

from localcloud import events
from localcloud.settings import LocalCloud


class ParameterResponse(SimpleSystemManagerResponse):
    """The operations that are different here. AWS tells of deletions too, for which nothing here listens."""

    def put_parameter(self) -> ActionResult:
        answer = super().put_parameter()
        name = self._get_param("Name")
        written: Any = self.ssm_backend._parameters[name][-1]
        sts = sts_backends[self.current_account]["aws"]
        _, written.written_by, _ = sts.get_caller_identity(self.get_access_key(), self.region)
        arn = f"arn:{self.partition}:ssm:{self.region}:{self.current_account}:parameter/{name.removeprefix('/')}"
        operation = "Create" if written.version == 1 else "Update"
        detail = {"operation": operation, "name": name, "type": self._get_param("Type", "String")}
        events.emit(arn, "aws.ssm", "Parameter Store Change", detail)
        return answer

    def get_parameter_history(self) -> ActionResult:
        answer: Any = super().get_parameter_history()
        versions: list[Any] = self.ssm_backend._parameters[self._get_param("Name")]
        writers = {each.version: getattr(each, "written_by", None) for each in versions}
        for each in answer.result["Parameters"]:
            each["LastModifiedUser"] = writers[each["Version"]]
        return ActionResult(answer.result)


def install(cloud: LocalCloud) -> None:
    """Before the first request: moto reads its URL tables once. cloud is not read."""
    for path in moto.ssm.urls.url_paths:
        moto.ssm.urls.url_paths[path] = ParameterResponse.dispatch
