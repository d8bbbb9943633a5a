"""`hfsm images promote`: asks an environment to run what another one has built, and says what became of it."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from hfsm.cloud import Cloud, Parameters
from hfsm.errors import OperatorError, WrongUseError
from hfsm.image_list import age_text, described, findings_text, scan_findings

_NOT_YET = "none"


@dataclass(frozen=True)
class Promotion:
    """What would change. source: the environment that builds the image. before, digest: `sha256:…`; before: or none."""

    name: str
    destination: Parameters
    source: str
    account: str
    repository: str
    before: str
    digest: str

    def shown(self) -> list[str]:
        """Lines for whoever is to say yes."""
        ecr = self.destination.cloud.client("ecr")
        image = described(ecr, self.repository, self.digest, self.account)
        if image is None:
            about = "not there"
        else:
            about = f"pushed {age_text(datetime.now(UTC) - image['imagePushedAt'])} ago, findings: " + findings_text(
                scan_findings(image)
            )
        return [
            f"{self.name} of {self.destination.environment}, from {self.source}:",
            f"  now  {self.before}",
            f"  then {self.digest} ({about})",
        ]

    def ask(self) -> str:
        """Write the request, and have it judged; one line. OperatorError: it was refused, with all reasons."""
        if self.digest == self.before:
            return f"{self.name} of {self.destination.environment} is {self.digest} already."
        prefix = f"{self.destination.prefix}/images/{self.name}"
        cloud = self.destination.cloud
        # Under one's own name: SSM remembers who wrote it, and the function reads it there.
        version = cloud.client("ssm").put_parameter(
            Name=f"{prefix}/promotion-request", Value=self.digest, Overwrite=True
        )["Version"]
        answer = cloud.client("lambda").invoke(
            FunctionName=self.destination.get("promotion/function-name"),
            Payload=json.dumps({"rules": f"{prefix}/promotion-rules", "version": version}).encode(),
        )
        said: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise OperatorError(
                f"The function that promotes failed, and {self.name} is as it was: {said.get('errorMessage', said)} "
                f"Is {self.source} deployed, with {self.destination.environment} among the environments that pull?"
            )
        if said["problems"]:
            raise OperatorError(
                f"{self.digest} was not promoted to {self.destination.environment}. {' '.join(said['problems'])}"
            )
        return (
            f"{self.name} of {self.destination.environment} is {self.digest} from now on. Back: hfsm images promote "
            f"{self.name} --to {self.destination.environment} --digest {self.before}"
            if self.before != _NOT_YET
            else f"{self.name} of {self.destination.environment} is {self.digest} from now on."
        )


def prepare(
    name: str, destination: Parameters, source: str | None, source_cloud: Cloud, digest: str | None
) -> Promotion:
    """What to promote. digest: omitted: what the source runs now. source: omitted: as the settings say.

    Raises WrongUseError for an image that is not promoted, or from elsewhere, and OperatorError when the source has not
    built it.
    """
    text = destination.find(f"images/{name}/promotion-rules")
    if text is None:
        promoted = sorted({p.split("/")[0] for p in destination.below("images") if p.endswith("/promotion-rules")})
        raise WrongUseError(
            f"{destination.environment} promotes no image {name}. It promotes {', '.join(promoted) or 'none'}: "
            "settings say `promoted_from` of an image, and are deployed."
        )
    rules = json.loads(text)
    if source and source != rules["environment"]:
        raise WrongUseError(
            f"{destination.environment} takes {name} from {rules['environment']}, and not from {source}: see "
            "`promoted_from` in its settings."
        )
    return Promotion(
        name=name,
        destination=destination,
        source=rules["environment"],
        account=rules["account"],
        repository=rules["repository"],
        before=_digest(destination.get(f"images/{name}/digest")),
        digest=digest or _built(name, Parameters(source_cloud, rules["environment"])),
    )


def _built(name: str, source: Parameters) -> str:
    try:
        digest = _digest(source.get(f"images/{name}/digest"))
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "AccessDeniedException":
            raise
        raise WrongUseError(
            f"These credentials may not read what {source.environment} has built: name a profile of its account with "
            "--from-profile, or the digest with --digest."
        ) from None
    if digest == _NOT_YET:
        raise OperatorError(
            f"{source.environment} has not built {name} yet: hfsm build {name} --env {source.environment}"
        )
    return digest


def _digest(said: str) -> str:
    return said.partition("@")[2] or said
