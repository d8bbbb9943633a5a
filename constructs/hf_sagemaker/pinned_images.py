"""Reading the digests of a run's two images as states: a run names the images that were there, and no others."""

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


class PinnedImages(Construct):
    """Reads which images were built or promoted last; goes on only with digests in the images' own repositories.

    start: the first state.
    training_uri, inference_uri: the paths at which `<repository>@sha256:…` lie afterwards.
    """

    training_uri = "$.trainingImage.uri"
    inference_uri = "$.inferenceImage.uri"

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        training: Mapping[str, ImageByDigest],
        inference: ImageByDigest,
        failures: TrainingFailures,
        chosen: str,
        next_state: sfn.IChainable,
    ) -> None:
        """Creates the states.

        training: those that a job may run in, by name. inference: of every model.
        failures: where an error goes, and an image that is not there yet.
        chosen: the path of {name, parameter}: which of the training images, and the name of its parameter.
        """
        super().__init__(scope, construct_id)
        self.start = self._read("TrainingImage", {"Name.$": f"{chosen}.parameter"}, failures)
        then = self._read("InferenceImage", {"Name": inference.parameter_name}, failures)
        undone = ", or ".join(dict.fromkeys(image.missing for image in [*training.values(), inference]))
        missing = failures.image_missing(
            "ImageMissing",
            undone,
            sfn.JsonPath.string_at(f"{chosen}.parameter"),
            self.training_uri,
            inference.parameter_name,
            self.inference_uri,
        )
        # Whatever wrote the parameters: nothing runs but what was pushed to these repositories, and by its content.
        built = sfn.Choice(self, "ImagesBuilt", state_name="ImagesBuilt").otherwise(missing)
        for name, image in training.items():
            built.when(
                sfn.Condition.and_(
                    sfn.Condition.string_equals(f"{chosen}.name", name),
                    _is_digest(self.training_uri, image),
                    _is_digest(self.inference_uri, inference),
                ),
                next_state,
            )
        self.start.next(then)
        then.next(built)

    def _read(self, name: str, parameter: Mapping[str, str], failures: TrainingFailures) -> sfn.CustomState:
        # One by one: GetParameters answers in no certain order, and a path that finds a name is no plain path.
        state = sfn.CustomState(
            self,
            f"Read{name}",
            state_json={
                "Type": "Task",
                "Resource": f"arn:{place_of(self).partition}:states:::aws-sdk:ssm:getParameter",
                "Parameters": parameter,
                "ResultSelector": {"uri.$": "$.Parameter.Value"},
                "ResultPath": f"$.{name[0].lower()}{name[1:]}",
                "TimeoutSeconds": _ANSWER_SECONDS,
                "Retry": [_TRANSIENT],
            },
        )
        state.add_catch(failures.caught, result_path="$.failure")
        return state


def _is_digest(path: str, image: ImageByDigest) -> sfn.Condition:
    return sfn.Condition.string_matches(path, f"{image.repository_uri}@sha256:*")
