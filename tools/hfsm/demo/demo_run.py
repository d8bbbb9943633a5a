"""What the steps of one demo share: where things are, and what was measured so far."""

from dataclasses import dataclass, field
from pathlib import Path

from hfsm.cloud import Cloud, Parameters
from hfsm.demo.report import (
    EndpointReport,
    ImageReport,
    PredictionReport,
    RegistryReport,
    StackReport,
    TrainingReport,
)
from hfsm.errors import OperatorError
from hfsm.local import PROJECT_ROOT

ENVIRONMENT = "dev"
ENDPOINT = "sentiment"


@dataclass(frozen=True)
class DemoPaths:
    """The folders of a demo.

    root: the project. build: everything that a demo writes, but the images, lies below it.
    """

    root: Path = PROJECT_ROOT
    build: Path = PROJECT_ROOT / "build" / "demo"

    @property
    def state(self) -> Path:
        """Of the embedded AWS."""
        return self.build / "localcloud"

    @property
    def images(self) -> Path:
        """Shared with `hfsm local`, and kept: images are built once per content."""
        return self.root / ".localcloud" / "images"

    @property
    def logs(self) -> Path:
        return self.build / "logs"

    @property
    def assembly(self) -> Path:
        """The cloud assembly that was deployed."""
        return self.build / "cdk.out"

    @property
    def environments(self) -> Path:
        """The settings that the second deployment uses."""
        return self.build / "environments"

    @property
    def report(self) -> Path:
        return self.build / "report.json"


@dataclass
class DemoRun:
    """One demo. data: folder with train.jsonl and test.jsonl. model: folder of a pretrained model, or None.

    account, region: as the environment's settings say. What is empty or None has not been measured yet.
    """

    paths: DemoPaths
    data: Path
    model: Path | None
    account: str
    region: str
    endpoint_url: str | None = None
    stacks: list[StackReport] = field(default_factory=list)
    unsupported: list[str] = field(default_factory=list)
    images: list[ImageReport] = field(default_factory=list)
    training: TrainingReport | None = None
    registry: RegistryReport | None = None
    endpoint: EndpointReport | None = None
    predictions: list[PredictionReport] = field(default_factory=list)
    request: dict[str, object] = field(default_factory=dict)
    _cloud: Cloud | None = None

    @property
    def cloud(self) -> Cloud:
        """Clients of the embedded AWS. Raises OperatorError before it was started."""
        if self.endpoint_url is None:
            raise OperatorError("The embedded AWS was not started yet.")
        if self._cloud is None:
            self._cloud = Cloud(endpoint_url=self.endpoint_url, local=True, region=self.region)
        return self._cloud

    @property
    def parameters(self) -> Parameters:
        return Parameters(self.cloud, ENVIRONMENT)
