"""What one running embedded AWS is made of."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class LocalCloud:
    """One running embedded AWS.

    port: TCP port on 127.0.0.1.
    state_dir: folder for everything it writes; containers live below it and are removed at the end.
    image_store: folder of the container images that were built; kept between runs, as Docker keeps its layers.
    requirements_dir: folder of the hash-locked files that say what a Deep Learning Container carries.
    account, region: what ARNs are made of. The region of a call is the one that the client signs for.
    spot_price_ratio: price of a spot second over the price of an on-demand second, 0 < ratio ≤ 1. An assumption, never
        a measurement: on AWS the market decides. The default is what Hugging Face's notebook 05 reports (262 s billed
        for 874 s trained).
    minute: seconds that a minute of AWS's waiting lasts, above 0 and up to 60: alarm periods, baking times, cooldowns
        and rates wait that much shorter. It never shortens work: a container starts as fast as it starts.
    """

    port: int
    state_dir: Path
    image_store: Path
    requirements_dir: Path
    account: str = "123456789012"
    region: str = "us-east-1"
    spot_price_ratio: float = 0.30
    minute: float = 60.0

    def seconds(self, aws_seconds: float) -> float:
        """Seconds that this embedded AWS waits where AWS waits `aws_seconds`."""
        return aws_seconds * self.minute / 60

    @property
    def endpoint_url(self) -> str:
        """`localhost`, not 127.0.0.1: moto reads a bucket's name out of any other host."""
        return f"http://localhost:{self.port}"
