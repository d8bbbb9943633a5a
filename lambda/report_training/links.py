"""Where a person looks further: pages of the console, in the partition's own domain."""

_CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
# What stands behind the # of CloudWatch's console is quoted by its own rule: a slash is $252F, the first ? is $3F.
_GROUP = "$252Faws$252Fsagemaker$252FTrainingJobs"
_STREAMS = "$3FlogStreamNameFilter$3D"


def links(execution: str, job: str | None) -> dict[str, str]:
    """{execution, training_job, logs} of the last job; only the execution where there was none.

    Empty in a partition whose console is not known.
    """
    partition, region = execution.split(":")[1], execution.split(":")[3]
    if partition not in _CONSOLES:
        return {}
    console = f"https://{region}.{_CONSOLES[partition]}"
    found = {"execution": f"{console}/states/home?region={region}#/v2/executions/details/{execution}"}
    if job:
        found["training_job"] = f"{console}/sagemaker/home?region={region}#/jobs/{job}"
        found["logs"] = f"{console}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{_GROUP}{_STREAMS}{job}"
    return found
