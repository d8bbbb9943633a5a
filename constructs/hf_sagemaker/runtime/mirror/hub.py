"""The Hub: which commit a revision is, which files it has, and their content."""

from pathlib import Path

import requests
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from models import Model, RefusedError
from selection import HubFile

_UNREACHABLE = (HfHubHTTPError, LocalEntryNotFoundError, requests.RequestException, OSError)
_SECONDS = 30


class Hub:
    """The Hub, or another server that speaks its API, at HF_ENDPOINT."""

    def __init__(self, token: str | None) -> None:
        """token: omitted: public models only. A token that lies on this machine is never used."""
        self._token: str | bool = token or False
        self._api = HfApi(token=self._token)

    def commit(self, model: Model) -> str:
        """The commit that the model's revision is now. RefusedError: there is no such model or revision."""
        return self._information(model, model.revision).sha

    def files(self, model: Model, commit: str) -> list[HubFile]:
        """All files of the commit. RefusedError: as for `commit`, or the model has another name by now."""
        information = self._information(model, commit)
        if information.sha != commit:
            raise RefusedError(f"{model}: the Hub answered with commit {information.sha} where {commit} was asked for.")
        return [
            HubFile(
                path=file.rfilename,
                size=file.size,
                identity=file.lfs.sha256 if file.lfs else file.blob_id,
            )
            for file in information.siblings
        ]

    def download(self, model: Model, commit: str, file: HubFile, folder: Path) -> Path:
        """Brings a file into the folder. OSError or RefusedError: it did not arrive."""
        try:
            path = hf_hub_download(
                model.id, file.path, revision=commit, local_dir=folder, token=self._token, etag_timeout=_SECONDS
            )
        except _UNREACHABLE as error:
            raise RefusedError(self._explain(model, error)) from None
        return Path(path)

    def _information(self, model: Model, revision: str):
        try:
            information = self._api.model_info(model.id, revision=revision, files_metadata=True, timeout=_SECONDS)
        except _UNREACHABLE as error:
            raise RefusedError(self._explain(model, error)) from None
        if information.id != model.id:
            # A name that was given up can be taken by anybody, and the Hub follows renamed models silently.
            raise RefusedError(
                f"{model}: the Hub calls this model {information.id} now. Look at it, then write that name into "
                "hub.models."
            )
        return information

    def _explain(self, model: Model, error: Exception) -> str:
        with_token = "the token may not read it" if self._token else "no token is given (hub.token_secret_arn)"
        if isinstance(error, GatedRepoError):
            return (
                f"{model}: is gated, and {with_token}. Accept its conditions on the Hub, as the account that the token "
                "belongs to."
            )
        if isinstance(error, RevisionNotFoundError):
            return f"{model}: the model has no revision of that name."
        if isinstance(error, RepositoryNotFoundError):
            return f"{model}: the Hub has no such model, or it is private and {with_token}."
        return f"{model}: the Hub did not give it: {type(error).__name__}: {' '.join(str(error).split())[:500]}"
