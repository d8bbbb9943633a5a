"""Git repositories from which training code may come.

Never imports aws_cdk, see stacks/settings.py.
"""

from typing import Annotated

from pydantic import Field

from stacks.access_settings import KeyArn, SecretArn
from stacks.settings_base import Problem, Settings

RepositoryPattern = Annotated[
    str,
    Field(
        pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/[A-Za-z0-9_./*-]+$",
        max_length=250,
        description="address of a repository, in which * after the host is any text, for example "
        "https://github.com/my-organisation/*",
    ),
]


class GitSettings(Settings):
    """Training code from Git: requests may name a repository and a branch or commit."""

    allowed_repositories: Annotated[list[RepositoryPattern], Field(min_length=1, max_length=20)]
    """The only ones whose code may run here, with * for any text: `https://github.com/my-organisation/*`."""
    token_secret_arn: SecretArn | None = None
    """ARN of the Secrets Manager secret that holds a token that may read them, or `user:token` where the server wants a
    certain user. Only the build that brings code may read it, at run time. Omitted: public repositories only."""
    token_key_arn: KeyArn | None = None
    """The KMS key that encrypts that secret. Omitted: it is encrypted with the account's aws/secretsmanager."""

    def problems(self) -> list[Problem]:
        """What no single field can know: (field path, value, what it must be)."""
        return [
            (
                f"training.git.allowed_repositories.{i}",
                pattern,
                "must begin with https:// where token_secret_arn is given: http would send the token in the clear",
            )
            for i, pattern in enumerate(self.allowed_repositories)
            if self.token_secret_arn and pattern.startswith("http:")
        ]
