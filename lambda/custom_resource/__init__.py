"""What every function behind a custom resource of CloudFormation shares: the answer, and patience with new policies."""
