"""The approved model of a job type, as a deployment names it."""

from aws_cdk import CfnCondition, CfnParameter, Fn
from constructs import Construct

from hf_sagemaker.model_source import ModelSource
from hf_sagemaker.place import place_of

NOT_APPROVED = "none"
"""What the SSM parameter says before the first approval."""


class ApprovedModel(Construct):
    """Reads, with each deployment, which version of a model package group is to be served.

    template_parameter: the parameter of the template that stands for the number of the version.
    exists: the condition that there is one. source: that version, in its own group: whoever could change the SSM
        parameter could name no other group.

    A parameter of the template for the reasons of `BuiltImage`.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, job_type: str, group: str, version_parameter: str
    ) -> None:
        """Creates the template's parameter and the condition.

        construct_id: must change with the job type: CloudFormation keeps the name that a template's parameter had
            before.
        group: name of the model package group. version_parameter: name of the SSM parameter with the version's number.
        """
        super().__init__(scope, construct_id)
        self.template_parameter = CfnParameter(
            self,
            "Version",
            type="AWS::SSM::Parameter::Value<String>",
            default=version_parameter,
            description=f"Approved version of {job_type}",
        )
        version = self.template_parameter.value_as_string
        self.exists = CfnCondition(
            self, "Exists", expression=Fn.condition_not(Fn.condition_equals(version, NOT_APPROVED))
        )
        self.source = ModelSource.from_registry(place_of(self).arn("sagemaker", f"model-package/{group}/{version}"))
