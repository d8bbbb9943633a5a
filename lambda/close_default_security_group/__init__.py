"""Custom resource of CloudFormation: a security group without rules."""
