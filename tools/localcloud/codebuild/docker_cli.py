"""The program behind the `docker` of builds: our own, loaded once. Its argument is the socket's path."""

import sys
from pathlib import Path


def main(address: str) -> None:
    """Loads the few commands of docker that there are, with what a push needs, and answers calls."""
    import boto3

    from localcloud.fork_server import serve
    from localcloud.images import docker

    boto3.Session("none", "none", region_name="us-east-1").client("ecr")
    serve(address, lambda told: docker.main(told["arguments"]))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main(sys.argv[1])
