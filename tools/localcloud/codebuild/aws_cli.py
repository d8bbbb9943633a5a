"""The `aws` of builds: the real AWS CLI, loaded once.

Run with a socket's path, this is the process that has it loaded.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from localcloud.fork_server import ForkServer, serve

_WARM = ("ecr", "s3", "ssm")
"""Services that every build of an image asks."""

# On its own, and without the site module: what it costs is what a call costs.
_CALL = """
import json, os, socket, struct, sys
address, arguments = sys.argv[1], sys.argv[2:]
told = json.dumps({"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}).encode()
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect(address)
    socket.send_fds(asked, [struct.pack("!i", len(told))], [0, 1, 2])
    asked.sendall(told)
    answer = asked.makefile("rb").read(8)
    sys.exit(struct.unpack("!ii", answer)[1] % 256 if len(answer) == 8 else 1)
"""


class AwsCli(ForkServer):
    """The process that has the AWS CLI loaded."""

    def __init__(self) -> None:
        super().__init__(Path(__file__))

    def write(self, path: Path) -> None:
        """Makes `path` an `aws` that builds can call."""
        address = self.address
        call = address.with_name("call.py")
        call.write_text(_CALL)
        path.write_text(f"#!/bin/sh\nexec '{sys.executable}' -I -S '{call}' '{address}' \"$@\"\n")
        path.chmod(0o755)


def main(address: str) -> None:
    """Loads the AWS CLI, and answers calls."""
    from awscli.clidriver import create_clidriver

    driver = create_clidriver()
    loader = driver.session.get_component("data_loader")
    for name in _WARM:
        loader.load_service_model(name, "service-2")
        loader.load_service_model(name, "endpoint-rule-set-1")
    serve(address, lambda told: int(driver.main(told["arguments"])))


if __name__ == "__main__":
    main(sys.argv[1])
