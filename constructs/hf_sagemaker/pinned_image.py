"""Reading the digest of an image as states: a run names the image that was there when it began, and no other."""

from collections.abc import Mapping

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hf_sagemaker.image_by_digest import ImageByDigest
from hf_sagemaker.place import place_of
from hf_sagemaker.training_failures import TrainingFailures

_ANSWER_SECONDS = 60
_TRANSIENT = {
    "ErrorEquals": ["Ssm.InternalServerErrorException", "Ssm.SdkClientException", "Ssm.SsmException"],
    "IntervalSeconds": 2,
    "BackoffRate": 2,
    "MaxAttempts": 5,
    "MaxDelaySeconds": 60,
    "JitterStrategy": "FULL",
}


class PinnedImage(Construct):
    """Reads which image was built or promoted last; goes on only with a digest in the image's own repository.

    start: the first state.
    uri: the path at which `<repository>@sha256:…` lies afterwards.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        images: Mapping[str, ImageByDigest],
        failures: TrainingFailures,
        chosen: str | None = None,
    ) -> None:
        """Creates the states.

        construct_id: names the states, and the place of the answer in what they carry.
        images: those that there are to choose from, by name.
        failures: where an error goes, and an image that is not there yet.
        chosen: the path of {name, parameter}: which of the images, and the name of its parameter. Omitted: there is
            only one image.
        """
        super().__init__(scope, construct_id)
        answer = f"$.{construct_id[0].lower()}{construct_id[1:]}"
        self.uri = f"{answer}.uri"
        if chosen:
            wanted = {"Name.$": f"{chosen}.parameter"}
            read = sfn.JsonPath.string_at(f"{chosen}.parameter")
        else:
            (image,) = images.values()
            wanted = {"Name": image.parameter_name}
            read = image.parameter_name
        self.start = sfn.CustomState(
            self,
            f"Read{construct_id}",
            state_json={
                "Type": "Task",
                "Resource": f"arn:{place_of(self).partition}:states:::aws-sdk:ssm:getParameter",
                "Parameters": wanted,
                "ResultSelector": {"uri.$": "$.Parameter.Value"},
                "ResultPath": answer,
                "TimeoutSeconds": _ANSWER_SECONDS,
                "Retry": [_TRANSIENT],
            },
        )
        self.start.add_catch(failures.caught, result_path="$.failure")
        # Whatever wrote the parameter: nothing runs but what was pushed to this repository, and by its content.
        self._ours = [self._is_ours(name, image, chosen) for name, image in images.items()]
        undone = ", or ".join(dict.fromkeys(image.missing for image in images.values()))
        missing = failures.image_missing(f"{construct_id}Missing", read, self.uri, undone)
        self._built = sfn.Choice(self, "Built", state_name=f"{construct_id}Built").otherwise(missing)
        self.start.next(self._built)

    def _is_ours(self, name: str, image: ImageByDigest, chosen: str | None) -> sfn.Condition:
        by_digest = sfn.Condition.string_matches(self.uri, f"{image.repository_uri}@sha256:*")
        if chosen is None:
            return by_digest
        return sfn.Condition.and_(sfn.Condition.string_equals(f"{chosen}.name", name), by_digest)

    def then(self, next_state: sfn.IChainable) -> None:
        """What comes next. To be called once."""
        for ours in self._ours:
            self._built.when(ours, next_state)
