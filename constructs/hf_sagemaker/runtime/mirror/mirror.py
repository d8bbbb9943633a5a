"""What the mirror's build runs: brings the models of the settings from the Hub into the models bucket.

Environment: MODELS_BUCKET.
HUB_SECRET_ARN: the secret with the Hub's token; absent: public models only.
MODELS: which of the settings' models, with spaces between; absent or empty: all.
HF_ENDPOINT: another server than huggingface.co, for huggingface_hub.
"""

import os
import sys
from pathlib import Path

import boto3
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from hub import Hub
from mirroring import Mirroring
from models import RefusedError, choose, read_models
from store import Store

MODELS = Path(__file__).with_name("models.json")
_AWS_ERRORS = (Boto3Error, BotoCoreError, ClientError)


def main() -> int:
    """Returns 0; 1 when a model was not brought. The others are brought all the same."""
    try:
        models = choose(read_models(MODELS), os.environ.get("MODELS", "").split())
        hub = Hub(_token(os.environ.get("HUB_SECRET_ARN")))
    except (RefusedError, *_AWS_ERRORS) as error:
        _say(f"Nothing was brought: {error}")
        return 1
    store = Store(boto3.client("s3"), os.environ["MODELS_BUCKET"])
    failed = 0
    for model in models:
        try:
            Mirroring(model, hub, store, _say).run()
        except RefusedError as error:
            _say(f"REFUSED {error}")
            failed += 1
        except _AWS_ERRORS as error:
            _say(f"FAILED {model}: AWS did not take it: {error}")
            failed += 1
    return 1 if failed else 0


def _token(secret_arn: str | None) -> str | None:
    """The Hub's token, read here, so that it is in no variable, template or log."""
    if not secret_arn:
        return None
    return boto3.client("secretsmanager").get_secret_value(SecretId=secret_arn)["SecretString"].strip()


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
