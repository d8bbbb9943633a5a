"""SSM parameters that remember who wrote them, as moto's do not."""

from typing import Any

import moto.ssm.urls
from moto.core.responses import ActionResult
from moto.ssm.responses import SimpleSystemManagerResponse
from moto.sts.models import sts_backends

from localcloud.settings import LocalCloud


class ParameterResponse(SimpleSystemManagerResponse):
    """The operations that are different here."""

    def put_parameter(self) -> ActionResult:
        answer = super().put_parameter()
        written: Any = self.ssm_backend._parameters[self._get_param("Name")][-1]
        sts = sts_backends[self.current_account]["aws"]
        _, written.written_by, _ = sts.get_caller_identity(self.get_access_key(), self.region)
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
