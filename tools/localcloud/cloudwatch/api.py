"""The operations of CloudWatch that are different here, and composite alarms, which moto keeps and cannot be given."""

from moto.cloudwatch.exceptions import ValidationError
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from localcloud.cloudwatch import metrics
from localcloud.cloudwatch.alarm_rule import RuleError
from localcloud.cloudwatch.evaluation import check_rule


class WatchingResponse(CloudWatchResponse):
    """In the place of moto's."""

    def put_metric_alarm(self) -> ActionResult:
        """moto's takes one that has nothing to look at."""
        has_metric = all(self._get_param(name) for name in ("MetricName", "Namespace", "Period"))
        if not self._get_param("Metrics") and not has_metric:
            raise ValidationError("Exactly one of Metrics, or MetricName with Namespace and Period, must be specified")
        return super().put_metric_alarm()

    def put_composite_alarm(self) -> ActionResult:
        try:
            check_rule(self.cloudwatch_backend, self._get_param("AlarmRule"))
        except RuleError as error:
            raise ValidationError(f"Could not save the composite alarm: {error}.") from None
        return super().put_metric_alarm()

    def describe_alarms(self) -> ActionResult:
        """Composite alarms only where AlarmTypes says so, as AWS; moto answers them always."""
        answer = super().describe_alarms()
        types = self._get_param("AlarmTypes") or ["MetricAlarm"]
        found = answer.result
        assert isinstance(found, dict)
        kinds = {"MetricAlarms": "MetricAlarm", "CompositeAlarms": "CompositeAlarm"}
        return ActionResult({name: alarms for name, alarms in found.items() if kinds[name] in types})

    def get_metric_data(self) -> ActionResult:
        request = self._get_params()
        start, end = request["StartTime"], request["EndTime"]
        queries, scan_by = request.get("MetricDataQueries", []), request.get("ScanBy") or "TimestampDescending"
        results = metrics.get_metric_data(self.cloudwatch_backend, queries, start, end, scan_by)
        return ActionResult({"MetricDataResults": results})

    def get_metric_statistics(self) -> ActionResult:
        request = self._get_params()
        points = metrics.get_metric_statistics(self.cloudwatch_backend, request)
        return ActionResult({"Label": request["MetricName"], "Datapoints": points})
