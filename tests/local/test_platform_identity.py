"""IAM of the embedded AWS while several stacks are deployed at once."""

import json
from concurrent.futures import ThreadPoolExecutor

from tests.local.embedded_aws import RunningLocalCloud

TRUST = '{"Version": "2012-10-17", "Statement": []}'
STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::a/*"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT]})
THREADS = 6
EACH = 30


def test_policies_can_be_made_while_others_are_attached(localcloud: RunningLocalCloud) -> None:
    # Given several who deploy at the same time, each with a role
    def deploy(number: int) -> int:
        iam = localcloud.client("iam")
        iam.create_role(RoleName=f"identity-{number}", AssumeRolePolicyDocument=TRUST)
        for count in range(EACH):
            made = iam.create_policy(PolicyName=f"identity-{number}-{count}", PolicyDocument=POLICY)["Policy"]["Arn"]
            iam.attach_role_policy(RoleName=f"identity-{number}", PolicyArn=made)
            iam.detach_role_policy(RoleName=f"identity-{number}", PolicyArn=made)
        return count + 1

    # When each makes policies and attaches them
    with ThreadPoolExecutor(THREADS) as pool:
        done = list(pool.map(deploy, range(THREADS)))

    # Then all of them could
    assert done == [EACH] * THREADS
