"""What builds of images do through a network, besides what jobs and endpoints do there."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hf_sagemaker.package_sources import PackageSources


@dataclass(frozen=True, kw_only=True)
class BuildTraffic:
    """What a network must let pass for the builds that run in it.

    pushed: names of the repositories that they push to, with `*` for any part: `hf-sagemaker/dev/*`.
    bases: account and name of each repository that a published base image is pulled from.
    packages: where they get packages from. Omitted: from where the network's routes lead.
    """

    pushed: str
    bases: Sequence[tuple[str, str]]
    packages: PackageSources = field(default_factory=PackageSources)
