"""SageMaker's API, where moto's would only remember: jobs run, endpoints serve, packages keep what they were given.

Replaces moto's handler of the service's one URL by a subclass of it; what is not overridden here is moto's. State stays
in moto's own dictionaries, so that its listing, searching and tagging see it.
"""

from typing import Any, cast

from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.exceptions import ResourceInUseException, ValidationError
from moto.sagemaker.utils import arn_formatter

from localcloud.sagemaker import endpoint_modes, registry, state, training_request
from localcloud.sagemaker.components_api import ComponentOperations
from localcloud.sagemaker.deployment_config import DeploymentConfig
from localcloud.sagemaker.endpoint import Endpoint
from localcloud.sagemaker.training import TrainingJob


class RunningSageMakerResponse(ComponentOperations):
    """The operations that are different here. Those of inference components and of the other jobs have modules too."""

    # Training

    def create_training_job(self) -> ActionResult:
        """Instead of moto's, which fails without the optional members and completes every job at once."""
        request = dict(self._get_params())
        training_request.check(request)
        name = request["TrainingJobName"]
        arn = self._arn("training-job", name)
        jobs = state.training_jobs(self.sagemaker_backend)
        if name in jobs:
            raise ResourceInUseException(
                "Training job names must be unique within an AWS account and Region, and a training job with this "
                f"name already exists ({arn})"
            )
        job = TrainingJob(self.compute, request, self.current_account, self.region, arn)
        jobs[name] = job
        job.start()
        return ActionResult({"TrainingJobArn": arn})

    def describe_training_job(self) -> ActionResult:
        return ActionResult(self._training_job().describe())

    def stop_training_job(self) -> EmptyResult:
        """moto has none."""
        job = self._training_job()
        if job.training_end_time is not None:
            raise ValidationError(
                f"The request was rejected because the training job is in status {job.secondary_status}."
            )
        job.stop()
        return EmptyResult()

    def _training_job(self) -> TrainingJob:
        name = self._get_param("TrainingJobName")
        job = state.training_jobs(self.sagemaker_backend).get(name)
        if job is None:
            raise ValidationError(f"Requested resource not found: {self._arn('training-job', name)}")
        return job

    # Models and model packages

    def create_model(self) -> ActionResult:
        """As moto's, after a look at the model package; and keeps the network isolation."""
        request = self._get_params()
        registry.check_model(self.sagemaker_backend, request)
        answer = super().create_model()
        model = self.sagemaker_backend.describe_model(request["ModelName"])
        model.enable_network_isolation = bool(request.get("EnableNetworkIsolation"))
        return answer

    def create_model_package_group(self) -> ActionResult:
        """moto's would replace a group of the same name."""
        name = self._get_param("ModelPackageGroupName")
        if name in self.sagemaker_backend.model_package_groups:
            raise ValidationError(f"Model Package Group already exists: {self._arn('model-package-group', name)}")
        return super().create_model_package_group()

    def delete_model_package_group(self) -> EmptyResult:
        """moto has none."""
        name = self._get_param("ModelPackageGroupName")
        self.sagemaker_backend.describe_model_package_group(name)
        packages = self.sagemaker_backend.model_packages.values()
        if any(package.model_package_group_name == name for package in packages):
            raise ValidationError(f"Model package group {name} cannot be deleted: it still has model packages.")
        del self.sagemaker_backend.model_package_groups[name]
        return EmptyResult()

    def create_model_package(self) -> ActionResult:
        """As moto's; the group may be given by its ARN, a version number is never given twice, the card is kept.

        A second call with the same ClientToken is answered as the first was.
        """
        params = self._get_params()
        registry.check_package(params)
        token = params.get("ClientToken")
        for package in self.sagemaker_backend.model_packages.values() if token else ():
            if package.client_token == token:
                return ActionResult({"ModelPackageArn": package.arn})
        if group := params.get("ModelPackageGroupName"):
            group = params["ModelPackageGroupName"] = group.rpartition("/")[2]
            version = registry.next_version(self.sagemaker_backend, group)
        answer = super().create_model_package()
        if not group:
            return answer
        packages = self.sagemaker_backend.model_packages
        package = packages.pop(cast("dict[str, str]", answer.result)["ModelPackageArn"])
        del self.sagemaker_backend.model_package_name_mapping[package.arn]
        package.arn = f"{package.arn.rpartition('/')[0]}/{version}"
        package.model_package_version = version
        if package.model_approval_status is None:
            package.model_approval_status = "PendingManualApproval"
        packages[package.arn] = package
        self.sagemaker_backend.model_package_name_mapping[package.arn] = package.arn
        registry.keep_card(package, params)
        registry.tell(package)
        return ActionResult({"ModelPackageArn": package.arn})

    def describe_model_package(self) -> ActionResult:
        """As moto's, with the model card."""
        package = registry.model_package(self.sagemaker_backend, self._get_param("ModelPackageName"))
        return ActionResult(registry.described_package(package))

    def update_model_package(self) -> ActionResult:
        request = self._get_params()
        registry.check_package(request)
        package = registry.model_package(self.sagemaker_backend, request["ModelPackageArn"])
        registry.keep_card(package, request)
        registry.updated_package(package, request)
        registry.tell(package)
        return ActionResult({"ModelPackageArn": package.arn})

    def delete_model_package(self) -> EmptyResult:
        """moto has none."""
        package = registry.model_package(self.sagemaker_backend, self._get_param("ModelPackageName"))
        del self.sagemaker_backend.model_packages[package.arn]
        return EmptyResult()

    def list_model_packages(self) -> ActionResult:
        """moto's lists unversioned packages by default even for a group, with members that are none of a summary's."""
        params = self._get_params()
        if params.get("ModelPackageGroupName"):
            params["ModelPackageType"] = "Versioned"
        packages, token = self.sagemaker_backend.list_model_packages(
            creation_time_after=params.get("CreationTimeAfter"),
            creation_time_before=params.get("CreationTimeBefore"),
            max_results=params.get("MaxResults"),
            name_contains=params.get("NameContains"),
            model_approval_status=params.get("ModelApprovalStatus"),
            model_package_group_name=params.get("ModelPackageGroupName"),
            model_package_type=params.get("ModelPackageType", "Unversioned"),
            next_token=params.get("NextToken"),
            sort_by=params.get("SortBy"),
            sort_order=params.get("SortOrder", "Descending"),
        )
        summaries = [registry.package_summary(package) for package in packages]
        return ActionResult({"ModelPackageSummaryList": summaries, "NextToken": token})

    # Endpoints

    def create_endpoint_config(self) -> ActionResult:
        request = dict(self._get_params())
        name = request["EndpointConfigName"]
        arn = self._arn("endpoint-config", name)
        configs = state.endpoint_configs(self.sagemaker_backend)
        if name in configs:
            raise ValidationError(f'Cannot create already existing endpoint configuration "{arn}".')
        endpoint_modes.check(request)
        for variant in (*request["ProductionVariants"], *(request.get("ShadowProductionVariants") or ())):
            self._check_variant(variant)
        configs[name] = state.EndpointConfig(request, arn)
        return ActionResult({"EndpointConfigArn": arn})

    def create_endpoint(self) -> ActionResult:
        """Instead of moto's, whose endpoints are in service before anything runs."""
        name, tags = self._get_param("EndpointName"), self._get_param("Tags") or []
        arn = self._arn("endpoint", name)
        if name in state.endpoints(self.sagemaker_backend):
            raise ValidationError(f'Cannot create already existing endpoint "{arn}".')
        config = self._endpoint_config()
        backend = self.sagemaker_backend
        endpoint = endpoint_modes.endpoint_type(config)(
            self.compute,
            name,
            arn,
            self.current_account,
            self.region,
            tags,
            lambda model: registry.served_model(backend, model),
        )
        endpoint.create(config, DeploymentConfig(self._get_param("DeploymentConfig")))
        state.endpoints(backend)[name] = endpoint
        return ActionResult({"EndpointArn": arn})

    def describe_endpoint(self) -> ActionResult:
        return ActionResult(self._endpoint().describe())

    def update_endpoint(self) -> ActionResult:
        """moto has none."""
        endpoint = self._endpoint()
        config = self._endpoint_config()
        if endpoint_modes.endpoint_type(config) is not type(endpoint):
            raise ValidationError(f'The way in which endpoint "{endpoint.arn}" serves cannot be changed.')
        given = self._get_param("DeploymentConfig")
        excluded = self._get_param("ExcludeRetainedVariantProperties") or []
        endpoint.update(
            config,
            DeploymentConfig(given) if given else None,
            retain=bool(self._get_param("RetainAllVariantProperties")),
            retain_deployment=bool(self._get_param("RetainDeploymentConfig")),
            exclude=[entry["VariantPropertyType"] for entry in excluded],
        )
        return ActionResult({"EndpointArn": endpoint.arn})

    def update_endpoint_weights_and_capacities(self) -> ActionResult:
        endpoint = self._endpoint()
        endpoint.scale(self._get_param("DesiredWeightsAndCapacities"))
        return ActionResult({"EndpointArn": endpoint.arn})

    def delete_endpoint(self) -> EmptyResult:
        endpoint = self._endpoint()
        endpoints = state.endpoints(self.sagemaker_backend)
        endpoint.delete(then=lambda: endpoints.pop(endpoint.endpoint_name, None))
        return EmptyResult()

    def _endpoint(self) -> Endpoint:
        name = self._get_param("EndpointName")
        endpoint = state.endpoints(self.sagemaker_backend).get(name)
        if endpoint is None:
            raise ValidationError(f'Could not find endpoint "{self._arn("endpoint", name)}".')
        return endpoint

    def _endpoint_config(self) -> dict[str, Any]:
        """The request that made the configuration which this one names."""
        config_name = self._get_param("EndpointConfigName")
        config = state.endpoint_configs(self.sagemaker_backend).get(config_name)
        if config is None:
            arn = self._arn("endpoint-config", config_name)
            raise ValidationError(f'Could not find endpoint configuration "{arn}".')
        return config.request

    def _check_variant(self, variant: dict[str, Any]) -> None:
        if variant.get("InstanceType") and variant.get("InstancePools"):
            raise ValidationError(
                f"Variant {variant['VariantName']!r} has InstanceType and InstancePools; it must have one of them."
            )
        overrides = [pool.get("ModelNameOverride") for pool in variant.get("InstancePools") or ()]
        for model in filter(None, (variant.get("ModelName"), *overrides)):
            self.sagemaker_backend.describe_model(model)

    def _arn(self, kind: str, name: str) -> str:
        return str(arn_formatter(kind, name, self.current_account, self.region))
