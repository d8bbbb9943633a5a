"""Accounts of the embedded AWS: whose a request is.

Every account exists. An access key id that is an account's twelve digits is that account's (LocalStack's convention);
credentials of an assumed role are the role's account's, as moto has it; any other key is the default account's.
"""

import re
from typing import Any

from moto.core.responses import BaseResponse

# In the header of a signed request, and in the query of a presigned URL.
ACCOUNT_AS_KEY = re.compile(r"Credential=(\d{12})(?:/|%2F)")


def credentials(account: str) -> dict[str, str]:
    """Environment variables with which a process here calls this server as that account."""
    return {"AWS_ACCESS_KEY_ID": account, "AWS_SECRET_ACCESS_KEY": "localcloud"}


def install() -> None:
    """Make moto read the account of a key that is one; it knows only the keys that its IAM or STS gave out."""
    response: Any = BaseResponse
    before = response.get_current_account

    def current_account(self: Any) -> str:
        signed = str(self.headers.get("Authorization") or self.parsed_url.query)
        match = ACCOUNT_AS_KEY.search(signed)
        return match[1] if match else str(before(self))

    response.get_current_account = current_account
