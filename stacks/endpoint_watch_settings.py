"""What may be said of an endpoint besides what it serves: who sees it, who reaches it, when it ends.

Never imports aws_cdk, see stacks/settings.py.
"""

from hf_sagemaker.endpoint_parts import EndpointMode
from stacks.endpoint_access_settings import ApiSettings, CallerArn, endpoint_access_problems
from stacks.lifetime_settings import LifetimeSettings, lifetime_problems
from stacks.monitoring_settings import CaptureSettings, MonitorSettings, capture_problems, monitor_problems
from stacks.settings_base import Problem, Settings


class EndpointWatchSettings(Settings):
    """Base of an endpoint's settings."""

    lifetime: LifetimeSettings | None = None
    """When it is stopped. Only where `disposable` is true. Omitted: when somebody stops it."""
    callers: list[CallerArn] = []
    """Roles and users of other accounts that may call it, by a role of this one."""
    api: ApiSettings | None = None
    """A REST API in front of it. Omitted: there is none."""
    capture: CaptureSettings | None = None
    """Requests and answers that are kept. Omitted: none."""
    monitor: MonitorSettings | None = None
    """What is kept is compared with a baseline. Omitted: it is not."""

    def watch_problems(
        self, path: str, mode: EndpointMode, *, variants: int = 1, disposable: bool, region: str
    ) -> list[Problem]:
        """What does not fit the endpoint's mode or its environment.

        path: of the endpoint. variants: that take requests. Omitted: one. disposable, region: of the environment.
        """
        return [
            *lifetime_problems(f"{path}.lifetime", self.lifetime, mode, disposable=disposable),
            *endpoint_access_problems(path, self.callers, self.api, mode, region=region),
            *capture_problems(f"{path}.capture", self.capture, mode),
            *monitor_problems(
                f"{path}.monitor",
                self.monitor,
                captures=self.capture is not None,
                ends=self.lifetime is not None,
                variants=variants,
                region=region,
            ),
        ]
