"""Settings of training: its job types, and who is told."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from stacks.git_settings import GitSettings
from stacks.settings_base import Name, Settings
from stacks.tracking_settings import MlflowSettings
from stacks.trigger_settings import TriggerSettings

Seconds = Annotated[int, Field(ge=1, le=28 * 24 * 3600)]


class EvaluationSettings(Settings):
    """The gate before the registry."""

    metric: str = "eval_accuracy"
    """Name of one of the job's metric definitions."""
    minimum: float = 0.0
    """The model is registered when the metric is at least this."""
    approve_at: float | None = None
    """A registered model is approved by itself when the metric is at least this; no request can change it. The training
    code reports the metric, so whoever may start a run may reach it. Omitted: a person approves every model."""

    @field_validator("approve_at")
    @classmethod
    def _not_below_minimum(cls, value: float | None, info: ValidationInfo) -> float | None:
        minimum = info.data.get("minimum")
        if value is not None and minimum is not None and not value >= minimum:
            raise ValueError(f"must be at least minimum ({minimum}): a model below that is not registered")
        return value


Text = Annotated[str, Field(min_length=1, max_length=2048)]


class ModelCardSettings(Settings):
    """What only people know of the models of a job type, by the names of SageMaker's model card; the rest of a card
    comes from the run."""

    model_creator: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Who is responsible for the models. Omitted: the job type and its environment."""
    purpose_of_model: Text | None = None
    """Why the models are made."""
    intended_uses: Text | None = None
    """What they may be used for, and what not."""
    factors_affecting_model_efficiency: Text | None = None
    risk_rating: Literal["High", "Medium", "Low", "Unknown"] = "Unknown"
    explanations_for_risk_rating: Text | None = None
    business_problem: Text | None = None
    business_stakeholders: Text | None = None
    line_of_business: Text | None = None
    ethical_considerations: Text | None = None
    caveats_and_recommendations: Text | None = None

    @property
    def members(self) -> dict[str, str]:
        """Those that are said."""
        return self.model_dump(exclude_none=True)


class JobTypeSettings(Settings):
    """A kind of training that people of this environment may start; a request overrides what is a default here."""

    name: Name
    image: str = "training"
    """Name of the training image under `images`, for requests that name none."""
    allowed_images: list[str] | None = None
    """Further training images that a request may name. Omitted: every one that fits all instance types, and whose
    models the inference image can load."""
    inference_image: str = "inference"
    """Name of the image with which a trained model is registered."""
    task: str = "text-classification"
    """The transformers pipeline task that a trained model serves (HF_TASK)."""
    instance_type: str = "ml.g4dn.xlarge"
    """Default instance type."""
    allowed_instance_types: list[str] = []
    """Further instance types that a request may ask for."""
    max_instance_count: Annotated[int, Field(ge=1, le=64)] = 1
    """Most instances that a request may ask for."""
    volume_size: Annotated[int, Field(ge=1, le=16384)] = 50
    """GiB of storage per instance."""
    use_spot_instances: bool = True
    """Train on managed spot instances first."""
    checkpoints: bool = True
    """Keep checkpoints in S3. Without them an interruption starts again from nothing, so spot requires them."""
    max_run: Seconds = 3600
    """Seconds after which training is stopped."""
    max_wait: Seconds | None = None
    """Seconds for waiting and training on spot together. Omitted: twice `max_run`."""
    max_keep_alive_period_in_seconds: Annotated[int, Field(ge=0, le=21600)] = 3600
    """Seconds that a request on demand may keep its instances for another job like it, at most. They are paid for. 0:
    no request may."""
    processing_instance_type: str | None = None
    """On which models are evaluated on data, and data is prepared. Omitted: the first of the job type's instance types
    that SageMaker processing has."""
    processing_max_run: Annotated[int, Field(ge=60, le=9 * 24 * 3600)] = 3600
    """Seconds for each of these jobs."""
    max_tuning_jobs: Annotated[int, Field(ge=0, le=200)] = 20
    """Training jobs that a request with `tuning` may ask for, at most. 0: no request may search."""
    max_parallel_tuning_jobs: Annotated[int, Field(ge=1, le=100)] = 2
    """How many of them may run at a time."""
    evaluation: EvaluationSettings = EvaluationSettings()
    triggers: Annotated[list[TriggerSettings], Field(max_length=20)] = []
    """What starts runs besides people."""
    model_card: ModelCardSettings = ModelCardSettings()

    @property
    def all_instance_types(self) -> list[str]:
        """Every instance type that a request may ask for, the default first."""
        return list(dict.fromkeys([self.instance_type, *self.allowed_instance_types]))

    @property
    def effective_max_wait(self) -> int:
        """`max_wait`, or its default, in seconds."""
        return self.max_wait or 2 * self.max_run

    # Field validators with the fields before them, not a model validator: that one is skipped as soon as any other
    # field is wrong, and all problems are to be told at once.
    @field_validator("checkpoints")
    @classmethod
    def _spot_needs_checkpoints(cls, value: bool, info: ValidationInfo) -> bool:
        if not value and info.data.get("use_spot_instances"):
            raise ValueError(
                "must be true with use_spot_instances: true; without checkpoints an interruption starts from nothing"
            )
        return value

    @field_validator("max_wait")
    @classmethod
    def _wait_covers_run(cls, value: int | None, info: ValidationInfo) -> int | None:
        max_run = info.data.get("max_run")
        if value is not None and max_run is not None and value < max_run:
            raise ValueError(f"must be at least max_run ({max_run} s), since it counts waiting and training together")
        return value


class TrainingSettings(Settings):
    """Training in this environment."""

    job_types: list[JobTypeSettings] = []
    notification_emails: list[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]] = []
    """Who is told when a run ends. AWS asks each of them to confirm."""
    max_concurrent_runs: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Runs that go on at a time, of all job types together; the others wait, the oldest first. Omitted: no limit."""
    git: GitSettings | None = None
    """Where training code may come from besides S3. Omitted: from nowhere."""
    mlflow: MlflowSettings | None = None
    """Experiment tracking in SageMaker managed MLflow. Omitted: runs have reports only."""
