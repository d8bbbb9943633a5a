"""`hfsm`, also as `python -m hfsm`."""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from hfsm.cli import app
from hfsm.errors import AWS_ERRORS, FAILED, OperatorError, explain_aws_error


def main() -> NoReturn:
    """Run the command. Exit codes: 0 done, 1 failed, 2 wrong use."""
    # The end of the terminal, or a request to end, cleans up as Ctrl-C does; `nohup` is respected.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        app()
    except OperatorError as error:
        print(error.message, file=sys.stderr)
        sys.exit(error.exit_code)
    except AWS_ERRORS as error:
        print(explain_aws_error(error, os.environ.get("AWS_ENDPOINT_URL")), file=sys.stderr)
        sys.exit(FAILED)
    sys.exit(0)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
