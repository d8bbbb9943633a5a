"""Controls 38 to 41, 43 to 46, 51 and 52: models and endpoints. What is in their containers is in containers."""

from collections.abc import Iterator, Mapping
from typing import Any

from hf_sagemaker.controls.control import Breach, Control, Proof, judge
from hf_sagemaker.controls.customer_keys import is_customer_key
from hf_sagemaker.controls.scaling import IN_PROD, scales
from hf_sagemaker.controls.state_machines import request_defaults, state_machines
from hf_sagemaker.controls.subnets import MODEL, placement_fault
from hf_sagemaker.controls.templates import Resource, Templates
from hf_sagemaker.instance_types import UnknownInstanceTypeError, Use, instance_type

WITH_A_MODEL = "the first endpoint whose settings name a model"
"""What brings models and endpoints: an environment has none until people have approved a model."""
ENDPOINT = "AWS::SageMaker::Endpoint"
CONFIG = "AWS::SageMaker::EndpointConfig"
COMPONENT = "AWS::SageMaker::InferenceComponent"
_BUCKET = "AWS::S3::Bucket"
# Types whose replacement needs the name to be free, and the property that would take it.
_NAMES = {
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    CONFIG: "EndpointConfigName",
    MODEL: "ModelName",
}


def is_isolated(templates: Templates) -> Iterator[Proof | Breach]:
    """A model's container has no network, and every model that is served is one of these templates.

    A configuration for inference components isolates their containers itself; the components name the models.
    """
    configs = [config for config in templates.resources(CONFIG) if _is_for_components(config)]
    for resource in (*templates.resources(MODEL), *configs):
        isolated = resource.properties.get("EnableNetworkIsolation") is True
        yield judge(resource, isolated, "its container has a network; EnableNetworkIsolation must be true.")
    named = [(config, variant.get("ModelName")) for config, variant in _variants(templates) if config not in configs]
    for component in templates.resources(COMPONENT):
        named.append((component, component.properties.get("Specification", {}).get("ModelName")))
    for config, variant in _variants(templates):
        named += [
            (config, name) for pool in variant.get("InstancePools", []) if (name := pool.get("ModelNameOverride"))
        ]
    for resource, name in named:
        served = templates.find(name)
        ours = served is not None and served.type == MODEL
        yield judge(resource, ours, f"serves {name!r}, which is no model of this environment.")


def _is_for_components(config: Resource) -> bool:
    """Whether it names no model, and a role for those of the components."""
    named = [variant for variant in config.properties.get("ProductionVariants") or [] if "ModelName" in variant]
    return "ExecutionRoleArn" in config.properties and not named


def is_placed_privately(templates: Templates) -> Iterator[Proof | Breach]:
    """Models, and the instances of components, are in private subnets of two zones at least, with a security group."""
    configs = [config for config in templates.resources(CONFIG) if _is_for_components(config)]
    for resource in (*templates.resources(MODEL), *configs):
        fault = placement_fault(templates, resource.properties.get("VpcConfig"))
        yield judge(resource, not fault, fault)


def encrypts_volumes(templates: Templates) -> Iterator[Proof | Breach]:
    """Volumes are encrypted with our key; local NVMe is encrypted by hardware, and SageMaker refuses a key for it."""
    for config in templates.resources(CONFIG):
        key = config.properties.get("KmsKeyId")
        variants = [variant for of, variant in _variants(templates) if of is config]
        types = [name for variant in variants for name in _types(variant)]
        without = [name for name in types if not instance_type(name, "hosting").takes_volume_key]
        if without and len(without) < len(types):
            yield Breach(config, f"{', '.join(without)} refuse the volume key that its other variants need; part them.")
        elif without:
            yield judge(config, key is None, f"{', '.join(without)} refuse a volume key; KmsKeyId must be absent.")
        else:
            yield judge(config, is_customer_key(templates, key), "KmsKeyId must be a customer managed key.")


def survives_an_instance(templates: Templates) -> Iterator[Proof | Breach]:
    """Where stacks are protected, every variant that somebody waits for has two instances, so that one may fail."""
    for config, variant in _variants(templates):
        if config.stack not in templates.protected:
            yield Proof(config, "Asked for in prod only.")
        elif _is_asynchronous(config):
            yield Proof(config, "Requests wait in a queue until there is another instance.")
        elif variant in (config.properties.get("ShadowProductionVariants") or []):
            yield Proof(config, "A shadow answers nobody.")
        elif "ServerlessConfig" not in variant:
            count = variant.get("InitialInstanceCount", 0)
            yield judge(config, count >= IN_PROD, f"has {count} instance; InitialInstanceCount must be {IN_PROD}.")


def _is_asynchronous(config: Resource) -> bool:
    return "AsyncInferenceConfig" in config.properties


def rolls_back(templates: Templates) -> Iterator[Proof | Breach]:
    """An update moves some traffic first, where stacks are protected, and comes back by itself when an alarm goes off.

    From the first endpoint that says how it is updated, each has to; but for those whose updates SageMaker lets watch
    no alarms: without servers, with components, which have updates of their own, and with several variants.
    """
    endpoints = list(templates.resources(ENDPOINT))
    if any("DeploymentConfig" in endpoint.properties for endpoint in endpoints):
        for endpoint in endpoints:
            deployment = endpoint.properties.get("DeploymentConfig")
            if deployment is None and (why := _has_no_guardrails(templates, endpoint)):
                yield Proof(endpoint, why)
                continue
            steps = endpoint.stack in templates.protected
            faults = list(_deployment_faults(templates, deployment or {}, steps=steps))
            yield judge(endpoint, not faults, f"{'; '.join(faults)}.")


def _has_no_guardrails(templates: Templates, endpoint: Resource) -> str | None:
    config = templates.find(endpoint.properties.get("EndpointConfigName"))
    variants = config.properties.get("ProductionVariants", []) if config else []
    if len(variants) > 1:
        return "Its variants may come and go, which SageMaker refuses under any guardrail."
    if any("ServerlessConfig" in each for each in variants):
        return "SageMaker has no guardrails for serverless endpoints."
    if variants and all("ModelName" not in each for each in variants):
        return "Its components are updated, and given back, one by one."
    return None


def _deployment_faults(templates: Templates, deployment: Mapping[str, Any], *, steps: bool) -> Iterator[str]:
    routing = deployment.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
    if steps and routing.get("Type") not in ("CANARY", "LINEAR") and "RollingUpdatePolicy" not in deployment:
        yield "DeploymentConfig needs a policy that is rolling, or blue/green of type CANARY or LINEAR"
    named = [alarm.get("AlarmName") for alarm in deployment.get("AutoRollbackConfiguration", {}).get("Alarms", [])]
    alarms = [alarm for name in named if (alarm := templates.find(name)) and alarm.type == "AWS::CloudWatch::Alarm"]
    if len(alarms) < len(named):
        yield "AutoRollbackConfiguration names an alarm that is not in the templates"
    watched = {name for alarm in alarms for name in _metrics(alarm)}
    asynchronous = {"ApproximateBacklogSize", "InvocationFailures"} & watched
    if not asynchronous and (missing := {"Invocation5XXErrors", "ModelLatency"} - watched):
        yield f"AutoRollbackConfiguration needs alarms on {' and '.join(sorted(missing))}"


def _metrics(alarm: Resource) -> Iterator[str]:
    """Names of the metrics that it looks at, by themselves or in an expression."""
    yield str(alarm.properties.get("MetricName"))
    for each in alarm.properties.get("Metrics") or []:
        yield str(each.get("MetricStat", {}).get("Metric", {}).get("MetricName"))


def keeps_its_scale(templates: Templates) -> Iterator[Proof | Breach]:
    """An update keeps the number of instances that scaling has reached."""
    for endpoint in templates.resources(ENDPOINT):
        kept = endpoint.properties.get("RetainAllVariantProperties") is True
        yield judge(endpoint, kept, "an update resets its instances; RetainAllVariantProperties must be true.")
        excluded = endpoint.properties.get("ExcludeRetainedVariantProperties") or []
        loose = any(item.get("VariantPropertyType") == "DesiredInstanceCount" for item in excluded)
        yield judge(endpoint, not loose, "an update resets its instances; DesiredInstanceCount must not be excluded.")


def can_be_replaced(templates: Templates) -> Iterator[Proof | Breach]:
    """What CloudFormation replaces when it changes has no name of its own, which the old one would hold still."""
    for resource in templates.resources(*_NAMES):
        name = resource.properties.get(_NAMES[resource.type])
        yield judge(resource, name is None, f"is called {name!r}; without {_NAMES[resource.type]} it can be replaced.")


def exists(templates: Templates) -> Iterator[Proof | Breach]:
    """Every instance type is one of SageMaker's, for what it is used for.

    Whether the region has it is known to the CDK's own validation, which every synth runs too.
    """
    for config, variant in _variants(templates):
        for name in _types(variant):
            yield _type_exists(config, name, "hosting")
    for machine in state_machines(templates):
        for limits in request_defaults(machine):
            for name in limits["instance_types"]:
                yield _type_exists(machine.resource, name, "training")


def _type_exists(resource: Resource, name: str, use: Use) -> Proof | Breach:
    try:
        instance_type(name, use)
    except UnknownInstanceTypeError as error:
        return Breach(resource, str(error))
    return Proof(resource, name)


def captures_data(templates: Templates) -> Iterator[Proof | Breach]:
    """What an endpoint was asked and answered is kept in our bucket, encrypted with our key.

    From the first endpoint that captures data, each in prod has to.
    """
    configs = list(templates.resources(CONFIG))
    if any("DataCaptureConfig" in config.properties for config in configs):
        for config in configs:
            capture = config.properties.get("DataCaptureConfig", {})
            if capture or config.stack in templates.protected:
                faults = list(_capture_faults(templates, capture))
                yield judge(config, not faults, f"{'; '.join(faults)}.")


def _capture_faults(templates: Templates, capture: Mapping[str, Any]) -> Iterator[str]:
    if capture.get("EnableCapture") is not True:
        yield "DataCaptureConfig.EnableCapture must be true"
    if not is_customer_key(templates, capture.get("KmsKeyId")):
        yield "DataCaptureConfig.KmsKeyId must be a customer managed key"
    bucket = templates.find(capture.get("DestinationS3Uri"))
    if bucket is None or bucket.type != _BUCKET:
        yield "DataCaptureConfig.DestinationS3Uri must be a bucket of this environment"
    modes = {option.get("CaptureMode") for option in capture.get("CaptureOptions", [])}
    if not (modes >= {"Input", "Output"} or "InputAndOutput" in modes):
        yield "DataCaptureConfig.CaptureOptions must have Input and Output"


def _types(variant: Mapping[str, Any]) -> list[str]:
    """Its instance type, or those of its pools. Empty: serverless."""
    own = [variant["InstanceType"]] if "InstanceType" in variant else []
    return own + [pool["InstanceType"] for pool in variant.get("InstancePools") or []]


def _variants(templates: Templates) -> Iterator[tuple[Resource, Mapping[str, Any]]]:
    for config in templates.resources(CONFIG):
        for kind in ("ProductionVariants", "ShadowProductionVariants"):
            for variant in config.properties.get(kind) or []:
                yield config, variant


CONTROLS = (
    Control(
        38,
        "`EnableNetworkIsolation==true` on every Model",
        "SH SageMaker.5, CKV_AWS_370, SM-11",
        is_isolated,
        WITH_A_MODEL,
    ),
    Control(39, "VpcConfig: ≥2 isolated subnets, ≥1 SG", "prowler models_vpc", is_placed_privately, WITH_A_MODEL),
    Control(40, "EndpointConfig.KmsKeyId = our CMK", "prowler, R5", encrypts_volumes, WITH_A_MODEL),
    Control(
        41, "InitialInstanceCount ≥2 in prod (dev exception)", "SH SageMaker.4", survives_an_instance, WITH_A_MODEL
    ),
    Control(
        43,
        "ScalableTarget + target tracking per variant, min≥2 prod, max>min, cooldowns",
        "MLREL05-BP01",
        scales,
        WITH_A_MODEL,
    ),
    Control(
        44,
        "DeploymentConfig blue/green canary/linear + AutoRollbackConfiguration alarms",
        "MLREL04-BP01",
        rolls_back,
        "Endpoints",
    ),
    Control(
        45, "RetainAllVariantProperties so autoscaled counts survive updates", "AWS", keeps_its_scale, WITH_A_MODEL
    ),
    Control(46, "no explicit names on replaceable immutables (Model/EndpointConfig/Role)", "AWS", can_be_replaced),
    Control(51, "instance type exists for hosting in region", "CV E3642/W3030", exists, WITH_A_MODEL),
    Control(
        52,
        "DataCaptureConfig with KmsKeyId + destination in our bucket",
        "data capture (prod)",
        captures_data,
        "Endpoints",
    ),
)
