"""Which ends of a job on spot mean that it goes on, on demand, from the same checkpoints."""

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hf_sagemaker.training_failures import QUOTA, cause_matches

# What SageMaker writes into FailureReason and SecondaryStatus when spot, and not the script, is the trouble. An
# interruption as such is no sign: the job waits and goes on by itself, until it has waited too long.
_SPOT_TROUBLE = ("*CapacityError:*", "*MaxWaitTimeExceeded*", "*InternalServerError:*")


def why_spot_ended(
    scope: Construct, name: str, *, instead: str, on_demand: sfn.IChainable, trouble: sfn.IChainable
) -> sfn.Choice:
    """A state for a job on spot whose failure lies at `$.failure`.

    name: of the state. instead: of the one that notes, in what the execution carries, that spot is not to be tried
    again after a redrive. on_demand: follows that. trouble: follows everything else.
    """
    noted = sfn.Pass(
        scope, instead, state_name=instead, result=sfn.Result.from_boolean(False), result_path="$.job.spot"
    )
    noted.next(on_demand)
    return (
        sfn.Choice(scope, name, state_name=name)
        # Spot and on demand have a quota each.
        .when(sfn.Condition.string_equals("$.failure.Error", QUOTA), noted)
        .when(cause_matches(*_SPOT_TROUBLE), noted)
        .otherwise(trouble)
    )
