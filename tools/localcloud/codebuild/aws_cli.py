"""The program behind the `aws` of builds: the real AWS CLI, loaded once. Its argument is the socket's path."""

import sys
from pathlib import Path


def main(address: str) -> None:
    """Loads the AWS CLI with the services that every build of an image asks, and answers calls."""
    from awscli.clidriver import create_clidriver

    from localcloud.fork_server import serve

    driver = create_clidriver()
    loader = driver.session.get_component("data_loader")
    for name in ("ecr", "s3", "ssm"):
        loader.load_service_model(name, "service-2")
        loader.load_service_model(name, "endpoint-rule-set-1")
    serve(address, lambda told: int(driver.main(told["arguments"])))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main(sys.argv[1])
