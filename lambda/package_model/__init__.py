"""Custom resource of CloudFormation: a model that an endpoint can be given, with inference code beside it."""
