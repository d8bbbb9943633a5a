"""The order of the files: those that take longest begin, so that both workers end at about the same time."""

import pytest

# The longest first. Whatever is not here takes less than twenty seconds, and follows.
_LONGEST = (
    "local/test_images.py",
    "local/test_training_faults.py",
    "runtime/test_drop_in.py",
    "runtime/test_transformers_5.py",
    "runtime/test_model_loading.py",
    "runtime/test_serving_faults.py",
    "local/test_serving_endpoints.py",
    "local/test_image_builds.py",
    "local/test_end_to_end.py",
    "local/test_endpoint_models.py",
    "local/test_hub_mirror.py",
    "local/test_image_bases.py",
    "local/test_distributed_training.py",
    "local/test_compute_jobs.py",
    "local/test_foundation.py",
    "local/test_compute_training.py",
    "local/test_platform_cdk.py",
    "runtime/test_mirror.py",
    "runtime/test_text_classification.py",
    "local/test_compute_codebuild.py",
    "local/test_compute_endpoints.py",
    "runtime/test_serve.py",
    "runtime/test_drop_in_own_code.py",
)
_PLACE = {name: place for place, name in enumerate(_LONGEST)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _PLACE.get("/".join(item.path.parts[-2:]), len(_LONGEST)))
