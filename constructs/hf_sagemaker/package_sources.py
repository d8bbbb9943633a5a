"""Where builds of images get packages from. Imports no CDK: settings are checked with it."""

from dataclasses import dataclass
from urllib.parse import urlsplit

HTTPS = 443


@dataclass(frozen=True, kw_only=True)
class CodeArtifact:
    """A repository of AWS CodeArtifact. owner: account of its domain."""

    domain: str
    repository: str
    owner: str
    region: str

    @property
    def index(self) -> str:
        """The address of its package index."""
        host = f"{self.domain}-{self.owner}.d.codeartifact.{self.region}.amazonaws.com"
        return f"https://{host}/pypi/{self.repository}/simple/"

    @property
    def domain_arn(self) -> str:
        """What a token is asked of."""
        return f"arn:aws:codeartifact:{self.region}:{self.owner}:domain/{self.domain}"

    @property
    def repository_arn(self) -> str:
        """What packages are read from."""
        return f"arn:aws:codeartifact:{self.region}:{self.owner}:repository/{self.domain}/{self.repository}"


@dataclass(frozen=True, kw_only=True)
class PackageSources:
    """Where a build gets packages from.

    index: address of a package index, by https and without credentials. Omitted: PyPI.
    secret_arn: secret with the credentials of the index, {"username": …, "password": …}. Omitted: it asks for none.
    secret_key_arn: KMS key of that secret. Omitted: aws/secretsmanager.
    code_artifact: in place of `index`; builds get a token in their role.
    apt_proxy: HTTPS proxy for apt. Omitted: none.
    """

    index: str | None = None
    secret_arn: str | None = None
    secret_key_arn: str | None = None
    code_artifact: CodeArtifact | None = None
    apt_proxy: str | None = None

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables of a build. None of them is a secret."""
        artifact = self.code_artifact
        found = {
            "PACKAGE_INDEX": artifact.index if artifact else self.index,
            "PACKAGE_INDEX_SECRET_ARN": self.secret_arn,
            "CODEARTIFACT_DOMAIN": artifact.domain if artifact else None,
            "CODEARTIFACT_OWNER": artifact.owner if artifact else None,
            "APT_PROXY": self.apt_proxy,
        }
        return {name: value for name, value in found.items() if value}

    @property
    def ports(self) -> list[int]:
        """Ports other than 443 on which index and proxy are reached."""
        used = {urlsplit(address).port or HTTPS for address in (self.index, self.apt_proxy) if address}
        return sorted(used - {HTTPS})
