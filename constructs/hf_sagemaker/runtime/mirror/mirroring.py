"""Brings one model from the Hub to S3, or finds that it is there already."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from content import verify
from hub import Hub
from models import COMMIT, Model, RefusedError
from selection import HubFile, choose_files, refuse_code_in
from store import Store

SCHEMA_VERSION = 1


class Mirroring:
    """One model on its way. `run` may be interrupted anywhere and run again: what has arrived stays."""

    def __init__(self, model: Model, hub: Hub, store: Store, say: Callable[[str], None]) -> None:
        """say: gets a line for each thing that is done."""
        self._model, self._hub, self._store, self._say = model, hub, store, say

    def run(self) -> None:
        """RefusedError: the model may not be brought, or could not be."""
        model, commit = self._model, self._commit()
        manifest = self._store.manifest(model.id, commit)
        brought = 0
        if not manifest or self._is_to_be_widened(manifest, commit):
            everything = self._hub.files(model, commit)
            files = choose_files(model, commit, everything)
            with tempfile.TemporaryDirectory() as folder:
                brought, hashes = self._bring(commit, files, Path(folder))
            manifest = self._manifest(commit, files, hashes, everything)
            self._store.write_manifest(model.id, commit, manifest)
        total = sum(file["size"] for file in manifest["files"])
        self._say(
            f"hfsm.mirrored model={model.id} revision={model.revision} commit={commit} files={len(manifest['files'])} "
            f"brought={brought} megabytes={total / 1e6:.1f} uri={self._store.uri(model.id, commit)}"
        )

    def _commit(self) -> str:
        """The commit of the model's revision: recorded when it is asked for first, so that it stays what it was."""
        model = self._model
        if COMMIT.fullmatch(model.revision):
            return model.revision
        commit = self._store.recorded_commit(model.id, model.revision)
        if not commit:
            commit = self._store.record_commit(model.id, model.revision, self._hub.commit(model))
        self._say(f"{model} is commit {commit}; for a newer one name a commit in hub.models")
        return commit

    def _is_to_be_widened(self, manifest: dict[str, Any], commit: str) -> bool:
        """Whether the settings allow more than when the model was brought. RefusedError: they allow less."""
        model, allowed = self._model, manifest["allowed"]
        now = {"pickle": model.allow_pickle, "remote_code": commit in model.allow_remote_code}
        if lost := [what for what, was in allowed.items() if was and not now[what]]:
            raise RefusedError(
                f"{model}: is mirrored already, with {' and '.join(lost).replace('_', ' ')}, which its settings allow "
                f"no longer. Delete {self._store.uri(model.id, commit)} and the manifest beside it, or allow it again."
            )
        return now != allowed

    def _bring(self, commit: str, files: list[HubFile], folder: Path) -> tuple[int, dict[str, str]]:
        """How many files had to be brought, and the SHA-256 of each by its path."""
        model, store, brought = self._model, self._store, 0
        hashes = {file.path: store.sha256(model.id, commit, file) for file in files}
        configurations = [file for file in files if file.suffix == ".json"]
        for file in configurations:
            if hashes[file.path]:
                content = store.content(model.id, commit, file)
            else:
                content = self._hub.download(model, commit, file, folder).read_bytes()
            refuse_code_in(model, commit, file.path, content)
        for file in files:
            if hashes[file.path]:
                continue
            path = self._hub.download(model, commit, file, folder)
            try:
                hashes[file.path] = verify(file, path, allow_pickle=model.allow_pickle)
            except RefusedError as error:
                raise RefusedError(f"{model}: {error}") from None
            store.put(model.id, commit, file, path, hashes[file.path])
            path.unlink()  # a model may be larger than the disk
            brought += 1
            self._say(f"{model}: {file.path} ({file.size / 1e6:.1f} MB)")
        return brought, hashes

    def _manifest(
        self, commit: str, files: list[HubFile], hashes: dict[str, str], everything: list[HubFile]
    ) -> dict[str, Any]:
        kept = {file.path for file in files}
        return {
            "schema_version": SCHEMA_VERSION,
            "model": self._model.id,
            "commit": commit,
            "allowed": {
                "pickle": self._model.allow_pickle,
                "remote_code": commit in self._model.allow_remote_code,
            },
            "files": [{"path": file.path, "size": file.size, "sha256": hashes[file.path]} for file in files],
            "left_out": sorted(file.path for file in everything if file.path not in kept),
        }
