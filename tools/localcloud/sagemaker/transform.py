"""Transform jobs that run: the serving stack that endpoints have, asked for every record of every object."""

import http.client
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from localcloud.log_stream import LogStream
from localcloud.sagemaker import transform_request
from localcloud.sagemaker.compute import Compute
from localcloud.sagemaker.registry import ServedModel
from localcloud.sagemaker.running_job import JobFailedError, RunningJob
from localcloud.sagemaker.s3 import NoSuchDataError, download_model, download_prefix, encryption, split_uri
from localcloud.sagemaker.serving_container import NotServingError, ServingContainer, Stop

LOG_GROUP = "/aws/sagemaker/TransformJobs"
STARTUP_TIMEOUT = 480.0  # seconds
_ANSWER_TIMEOUT = 600.0  # seconds, where a request is silent
_RETRIES = 3
_REASON_LINES = 760  # characters of the container's last lines that fit into a FailureReason


class TransformJob(RunningJob):
    """One transform job. model: what its ModelName means.

    Attributes that begin with its kind are those that moto's ListTransformJobs reads.
    """

    kind = "transform-job"

    def __init__(
        self, compute: Compute, request: dict[str, Any], account: str, region: str, arn: str, model: ServedModel
    ) -> None:
        super().__init__(compute, request, account, region, request["TransformJobName"], arn)
        self.transform_job_name = self.name
        self._model = model
        self._instance = f"i-{time.time_ns():x}"
        client = request.get("ModelClientConfig") or {}
        self._timeout = float(client.get("InvocationsTimeoutInSeconds") or _ANSWER_TIMEOUT)
        self._retries = int(client.get("InvocationsMaxRetries", _RETRIES))
        self._serving: ServingContainer | None = None

    @property
    def transform_job_status(self) -> str:
        return self.status

    @property
    def transform_end_time(self) -> Any:
        return self.end_time

    def stop(self) -> None:
        """Does not wait for an answer that the model is working at."""
        super().stop()
        if self._stop_requested.is_set() and self._serving:
            self._serving.container.kill()

    def describe(self) -> dict[str, Any]:
        """DescribeTransformJob's answer."""
        return self.described(
            {
                "TransformJobArn": self.arn,
                "TransformJobStatus": self.status,
                "TransformStartTime": self.start_time,
                "TransformEndTime": self.end_time,
            }
        )

    def work(self) -> None:
        log = LogStream(self.account, self.region, LOG_GROUP, f"{self.name}/{self._instance}")
        image = self.compute.image(self._model.image, self._model.role, log.write)
        container = self.compute.container(image, f"transform job {self.name}")
        serving = self._serving = ServingContainer(container, "AllTraffic", log, self._timeout)
        try:
            objects = self._download(container.folder / "input")
            target = container.opt_ml / "model"
            target.mkdir(exist_ok=True)
            if data := self._model.data:
                s3, archive = self.compute.client("s3", self.region), container.folder / "model.tar.gz"
                download_model(s3, data.uri, archive, target, is_packed=data.is_packed)
            self.check_limits()
            self.begin()
            self._serve(serving)
            asked = transform_request.completed(self.request, serving.execution_parameters())
            problems = [
                problem for path in objects if (problem := self._transform(serving, path, objects[path], asked))
            ]
        finally:
            serving.close()
            self.compute.remove(container)
        if problems:
            raise JobFailedError(f"ClientError: {'; '.join(problems)}. See job logs for more information")

    def _download(self, folder: Path) -> dict[Path, str]:
        """Each object's file, and its name."""
        uri = self.request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
        if download_prefix(self.compute.client("s3", self.region), uri, folder) == 0:
            raise NoSuchDataError(f'No S3 objects found under S3 URL "{uri}" given in input data source')
        return {path: path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()}

    def _serve(self, serving: ServingContainer) -> None:
        request = self.request
        environment = {
            **self.compute.environment(self.region, self.account),
            **self._model.environment,
            **(request.get("Environment") or {}),
            "SAGEMAKER_BATCH": "true",
            "SAGEMAKER_BATCH_STRATEGY": request.get("BatchStrategy", "MultiRecord"),
            "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": str(transform_request.concurrency(request)),
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(request.get("MaxPayloadInMB", 6)),
        }
        serving.start(environment)
        try:
            stop = Stop(self._stop_requested, self.compute.stopping)
            serving.wait_until_healthy(time.monotonic() + STARTUP_TIMEOUT, stop)
        except NotServingError:
            self.check_limits()
            raise JobFailedError(
                "AlgorithmError: The container did not pass the ping health check; its last lines were:\n"
                f"{serving.log.last_lines(_REASON_LINES)}"
            ) from None

    def _transform(self, serving: ServingContainer, path: Path, name: str, asked: dict[str, Any]) -> str | None:
        """Why the object could not be transformed; then it has no output, and the others still may.

        asked: the job's request, completed by what the container wants.
        """
        data_log = LogStream(self.account, self.region, LOG_GROUP, f"{self.name}/{self._instance}/data-log")
        with ThreadPoolExecutor(transform_request.concurrency(asked)) as pool:
            try:
                payloads = transform_request.payloads(path.read_bytes(), asked)
                answers = list(pool.map(lambda payload: self._ask(serving, payload), payloads))
            except (ValueError, OSError, http.client.HTTPException) as error:
                problem = f"{name}: {error}"
                data_log.write(problem)
                return problem
        output = self.request["TransformOutput"]
        bucket, prefix = split_uri(output["S3OutputPath"])
        key = "/".join(part for part in (prefix.rstrip("/"), f"{name}.out") if part)
        self.compute.client("s3", self.region).put_object(
            Bucket=bucket,
            Key=key,
            Body=transform_request.assembled(answers, self.request),
            **encryption(output.get("KmsKeyId")),
        )
        return None

    def _ask(self, serving: ServingContainer, payload: bytes) -> bytes:
        """ValueError: the model refuses the payload; OSError, HTTPException: it does not answer."""
        given, target = self.request["TransformInput"], self.request["TransformOutput"]
        headers = {"Content-Type": given.get("ContentType"), "Accept": target.get("Accept")}
        for attempt in range(self._retries + 1):
            self.check_limits()
            try:
                answer = serving.invoke(payload, {name: value for name, value in headers.items() if value})
            except (OSError, http.client.HTTPException):
                self.check_limits()
                if attempt == self._retries:
                    raise
                continue
            if 200 <= answer.status < 300:
                return answer.body
            if answer.status < 500 or attempt == self._retries:
                text = answer.body.decode(errors="replace")[:200]
                raise ValueError(f"Bad HTTP status received from algorithm: {answer.status} ({text})")
        raise AssertionError("every attempt has returned or raised")
