"""Reading the digest of an image as states: a run names the image that was there when it began, and no other."""

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
        self, scope: Construct, construct_id: str, *, image: ImageByDigest, failures: TrainingFailures
    ) -> None:
        """Creates the states.

        construct_id: names the states, and the place of the answer in what they carry.
        failures: where an error goes, and an image that is not there yet.
        """
        super().__init__(scope, construct_id)
        answer = f"$.{construct_id[0].lower()}{construct_id[1:]}"
        self.uri = f"{answer}.uri"
        self.start = sfn.CustomState(
            self,
            f"Read{construct_id}",
            state_json={
                "Type": "Task",
                "Resource": f"arn:{place_of(self).partition}:states:::aws-sdk:ssm:getParameter",
                "Parameters": {"Name": image.digest.parameter_name},
                "ResultSelector": {"uri.$": "$.Parameter.Value"},
                "ResultPath": answer,
                "TimeoutSeconds": _ANSWER_SECONDS,
                "Retry": [_TRANSIENT],
            },
        )
        self.start.add_catch(failures.caught, result_path="$.failure")
        # Whatever wrote the parameter: nothing runs but what was pushed to this repository, and by its content.
        self._ours = sfn.Condition.string_matches(self.uri, f"{image.repository.repository_uri}@sha256:*")
        missing = failures.image_missing(f"{construct_id}Missing", image.digest.parameter_name, self.uri, image.missing)
        self._built = sfn.Choice(self, "Built", state_name=f"{construct_id}Built").otherwise(missing)
        self.start.next(self._built)

    def then(self, next_state: sfn.IChainable) -> None:
        """What comes next. To be called once."""
        self._built.when(self._ours, next_state)
