"""What a platform team may say about an environment: the model of `environments/<name>.yaml`.

Every limit stands here, so that the file is refused before anything is synthesised; `environments/schema.json` is
written from these models (`make schema`) for editors. Never imports aws_cdk: it costs seconds, and operators' tools
read settings too.
"""

from typing import Annotated

from pydantic import Field

from hf_sagemaker import dlc_catalog
from hf_sagemaker.compatibility import instance_problem, serving_problem
from hf_sagemaker.container_image import ContainerImage
from hf_sagemaker.endpoint_parts import EndpointMode
from hf_sagemaker.instance_types import UnknownInstanceTypeError, Use, instance_type
from stacks.access_settings import (
    DataSettings,
    FunctionSettings,
    HubSettings,
    KeySettings,
    RoleSettings,
    access_problems,
)
from stacks.base_image_settings import BaseImageSettings
from stacks.batch_settings import BatchTransformSettings, batch_problems
from stacks.build_settings import BuildSettings, build_problems
from stacks.cost_settings import CostSettings
from stacks.endpoint_problems import endpoint_problems
from stacks.endpoint_settings import EndpointSettings
from stacks.file_system_settings import file_system_problems
from stacks.image_settings import ImageSettings, image_problems
from stacks.job_type_settings import JobTypeSettings, TrainingSettings
from stacks.model_settings import ModelSettings
from stacks.network_settings import NetworkSettings, service_problems
from stacks.price_settings import PriceSettings
from stacks.settings_base import Problem, Settings
from stacks.trigger_problems import trigger_problems

AccountId = Annotated[str, Field(pattern=r"^\d{12}$", description="AWS account: 12 digits, in quotation marks")]
Region = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$", description="AWS region, for example eu-west-1")]


class InferenceSettings(Settings):
    """Serving in this environment."""

    endpoints: list[EndpointSettings] = []
    batch_transforms: list[BatchTransformSettings] = []


class EnvironmentSettings(Settings):
    """One environment: one account, one region, one stage of the app. Its name is the file's."""

    account: AccountId
    region: Region
    disposable: bool = False
    """Data may be destroyed: buckets and keys go with their stacks. False keeps them, and protects the stacks."""
    network: NetworkSettings
    isolation: bool = True
    """Containers of jobs and endpoints have no network at all; SageMaker brings and takes their data. False lets them
    reach what the network's egress allows."""
    keys: KeySettings = KeySettings()
    data: DataSettings = DataSettings()
    roles: RoleSettings = RoleSettings()
    hub: HubSettings = HubSettings()
    functions: FunctionSettings = FunctionSettings()
    images: list[ImageSettings] = [
        ImageSettings(name="training", base=BaseImageSettings(purpose="training", transformers="4.56.2")),
        ImageSettings(name="inference", base=BaseImageSettings(purpose="inference", transformers="4.51.3")),
    ]
    """What is built here, and what job types and endpoints run."""
    builds: BuildSettings = BuildSettings()
    training: TrainingSettings = TrainingSettings()
    inference: InferenceSettings = InferenceSettings()
    prices: PriceSettings = PriceSettings()
    costs: CostSettings = CostSettings()

    def problems(self) -> list[Problem]:
        """What no single field can know: (field path, value, what it must be) for each contradiction."""
        return [
            *service_problems(self.region),
            *self.network.problems(self.region),
            *file_system_problems(self.data.file_systems, self.network),
            *_duplicates("images", [image.name for image in self.images]),
            *image_problems(self.images, self.region),
            *build_problems(self.account, self.region, self.builds, self.network, self.images),
            *self._job_type_problems(),
            *(self.training.git.problems() if self.training.git else []),
            *(self.training.mlflow.problems(self.account, self.region) if self.training.mlflow else []),
            *endpoint_problems(self),
            *batch_problems(self),
            *self.prices.problems(),
            *self.costs.problems(self.account),
            *access_problems(self.account, self.region, self.keys, self.roles, self.hub, self._git_arns),
        ]

    @property
    def _git_arns(self) -> list[tuple[str, str | None]]:
        git = self.training.git
        names = ("token_secret_arn", "token_key_arn")
        return [(f"training.git.{name}", getattr(git, name)) for name in names] if git else []

    @property
    def _served(self) -> list[ModelSettings]:
        """The models of endpoints and of batch transforms."""
        of_endpoints = [each.model for endpoint in self.inference.endpoints for each in endpoint.served]
        return of_endpoints + [each.model for each in self.inference.batch_transforms]

    @property
    def monitors(self) -> bool:
        """Whether captures of some endpoint are compared with a baseline."""
        return any(each.monitor for each in self.inference.endpoints)

    @property
    def prepares_models(self) -> bool:
        """Whether an endpoint or a batch transform serves a model that no registration describes."""
        return any(not each.is_registered for each in self._served)

    @property
    def models_elsewhere(self) -> list[tuple[str, str]]:
        """Bucket and key of each model that is served from a bucket of the team's, sorted."""
        models = self._served
        return sorted({(bucket, key) for bucket, key in (model.place for model in models) if bucket})

    @property
    def followed_job_types(self) -> list[str]:
        """The job types whose approved model an endpoint serves, in the order of the endpoints."""
        followed = [name for endpoint in self.inference.endpoints for name in endpoint.followed_job_types]
        return list(dict.fromkeys(followed))

    def endpoints_of(self, mode: EndpointMode) -> list[EndpointSettings]:
        """The endpoints of that mode that are deployed."""
        return [each for each in self.inference.endpoints if each.mode == mode and each.is_deployed]

    def described(self, name: str) -> ContainerImage:
        """The image of that name, as compatibility is judged.

        KeyError: there is none. UnknownImageError: its base is not published in the region.
        """
        images = {image.name: image for image in self.images}
        return images[name].described(self.region)

    def nameable_images(self, job: JobTypeSettings) -> list[str]:
        """The training images that a request of the job type may name, its default first."""
        others = [image.name for image in self.images if image.base.purpose == "training"]
        if job.allowed_images is not None:
            others = job.allowed_images
        return list(dict.fromkeys([job.image, *(name for name in others if not self.why_unfit(job, name))]))

    def why_unfit(self, job: JobTypeSettings, image_name: str) -> str:
        """In a sentence, why an image cannot be the job type's; empty when it can, or when that is told elsewhere."""
        named = job.model_copy(update={"image": image_name})
        problems = [
            *((f"inference image {value}", reason) for _, value, reason in self._serving_problems("", named)),
            *(
                (f"instance type {value}", reason)
                for name in job.all_instance_types
                for _, value, reason in self.instance_problems("", name, "training", image_name)
            ),
        ]
        return f"{problems[0][0]} {problems[0][1]}" if problems else ""

    def unfit_images(self, job: JobTypeSettings) -> dict[str, str]:
        """The training images that only do not fit, with why: what a request is told that names one."""
        if job.allowed_images is not None:
            return {}
        training = [image.name for image in self.images if image.base.purpose == "training"]
        reasons = {name: self.why_unfit(job, name) for name in training}
        return {name: f"It does not fit: {reason}." for name, reason in reasons.items() if reason}

    def _job_type_problems(self) -> list[Problem]:
        found = _duplicates("training.job_types", [job.name for job in self.training.job_types])
        for i, job in enumerate(self.training.job_types):
            path = f"training.job_types.{i}"
            found += self.image_reference(f"{path}.image", job.image, "training")
            found += self.image_reference(f"{path}.inference_image", job.inference_image, "inference")
            found += self._serving_problems(f"{path}.inference_image", job)
            for name in job.all_instance_types:
                field = "instance_type" if name == job.instance_type else "allowed_instance_types"
                found += self.instance_problems(f"{path}.{field}", name, "training", job.image)
            found += self._processing_problems(f"{path}.processing_instance_type", job)
            for k, name in enumerate(job.allowed_images or []):
                unknown = self.image_reference(f"{path}.allowed_images.{k}", name, "training")
                found += unknown
                if not unknown and (reason := self.why_unfit(job, name)):
                    found.append((f"{path}.allowed_images.{k}", name, f"must fit this job type: {reason}"))
            found += trigger_problems(self, job, path)
        return found

    def _processing_problems(self, path: str, job: JobTypeSettings) -> list[Problem]:
        name = job.processing_instance_type
        if not name:
            return []
        try:
            instance_type(name, "processing")
        except UnknownInstanceTypeError as error:
            return [(path, name, str(error))]
        return self.instance_problems(path, name, "training", job.image)

    @property
    def leaves_vpc(self) -> bool:
        """Whether something that runs in the network may leave it."""
        # What leaves a team's own VPC is not known here.
        return self.network.egress == "nat" or self.network.vpc is not None

    def known_image(self, name: str) -> ContainerImage | None:
        """The image of that name. None: there is none, or its base is not published here, which is told elsewhere."""
        try:
            return self.described(name)
        except (KeyError, dlc_catalog.UnknownImageError):
            return None

    def image_reference(self, path: str, name: str, purpose: str) -> list[Problem]:
        """A name that is no image's with that purpose."""
        fitting = [image.name for image in self.images if image.base.purpose == purpose]
        if name in fitting:
            return []
        return [
            (
                path,
                name,
                f"must be the name of an image under `images` with purpose {purpose}: {', '.join(fitting) or 'none'}",
            )
        ]

    def _serving_problems(self, path: str, job: JobTypeSettings) -> list[Problem]:
        try:
            problem = serving_problem(self.described(job.image), self.described(job.inference_image))
        except (KeyError, dlc_catalog.UnknownImageError):  # told elsewhere
            return []
        return [(path, job.inference_image, problem)] if problem else []

    def instance_problems(self, path: str, name: str, use: Use, image_name: str) -> list[Problem]:
        """Why the image cannot run on the instance."""
        try:
            instance = instance_type(name, use)
            problem = instance_problem(self.described(image_name), instance, use)
        except UnknownInstanceTypeError as error:
            problem = str(error)
        except (KeyError, dlc_catalog.UnknownImageError):  # told elsewhere
            return []
        return [(path, name, problem)] if problem else []


def _duplicates(path: str, names: list[str]) -> list[Problem]:
    return [
        (f"{path}.{i}.name", name, "must be a name that no earlier entry has")
        for i, name in enumerate(names)
        if name in names[:i]
    ]
