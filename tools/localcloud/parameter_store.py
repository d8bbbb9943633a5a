"""SSM parameters whose values EventBridge hears of, whoever writes them: an API call or CloudFormation."""

import moto.ssm.urls
from moto.core.responses import ActionResult
from moto.ssm.responses import SimpleSystemManagerResponse

from localcloud import events
from localcloud.settings import LocalCloud


class ParameterStoreResponse(SimpleSystemManagerResponse):
    """Everything is moto's. AWS tells of deletions too, for which nothing here listens."""

    def put_parameter(self) -> ActionResult:
        answer = super().put_parameter()
        name = self._get_param("Name")
        parameter = self.ssm_backend.get_parameter(name)
        assert parameter is not None
        arn = f"arn:{self.partition}:ssm:{self.region}:{self.current_account}:parameter/{name.removeprefix('/')}"
        operation = "Create" if parameter.version == 1 else "Update"
        detail = {"operation": operation, "name": name, "type": self._get_param("Type", "String")}
        events.emit(arn, "aws.ssm", "Parameter Store Change", detail)
        return answer


def install(cloud: LocalCloud) -> None:
    """Before the first request: moto reads its URL tables once. cloud is not read."""
    for path in moto.ssm.urls.url_paths:
        moto.ssm.urls.url_paths[path] = ParameterStoreResponse.dispatch
