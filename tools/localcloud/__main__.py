"""`python -m localcloud serve`: the embedded AWS in the foreground. `… build`: one container image without it."""

import argparse
import logging
import sys
from pathlib import Path

from localcloud.port import PortInUseError, listen
from localcloud.settings import LocalCloud

REPOSITORY = Path(__file__).resolve().parents[2]


def _ratio(text: str) -> float:
    ratio = float(text)
    if not 0 < ratio <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a ratio above 0 and up to 1")
    return ratio


def _minute(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 60:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0 and up to 60")
    return seconds


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a TCP port, 1 to 65535")
    return port


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """The command line; wrong use ends the process with exit code 2 and a line that says what is wrong."""
    parser = argparse.ArgumentParser(prog="localcloud", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="start it and stay in the foreground")
    serve.add_argument("--port", type=_port, default=4566, help="TCP port on 127.0.0.1 (default 4566)")
    serve.add_argument("--state-dir", type=Path, required=True, help="folder for everything it writes")
    serve.add_argument(
        "--image-store",
        type=Path,
        help="folder of the built container images, kept between runs (default <state-dir>/images)",
    )
    serve.add_argument(
        "--spot-price-ratio",
        type=_ratio,
        default=0.30,
        help="assumed price of a spot second over an on-demand second, 0 < ratio ≤ 1 (default 0.30)",
    )
    serve.add_argument(
        "--minute",
        type=_minute,
        default=60.0,
        metavar="SECONDS",
        help="how long a minute of waiting lasts: alarm periods, baking times, cooldowns, rates (default 60)",
    )
    serve.add_argument("--verbose", action="store_true", help="log every request, not only those that fail")
    build = commands.add_parser("build", help="build an image into the store, as `docker build` would")
    build.add_argument("--context", type=Path, required=True, help="folder that COPY reads")
    build.add_argument("--dockerfile", required=True, help="path of the Dockerfile in the context")
    build.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE", help="value of an ARG")
    build.add_argument("--image-store", type=Path, required=True, help="folder of the built container images")
    build.add_argument("--link", type=Path, help="make this a link to the image's virtual environment")
    for command in (serve, build):
        command.add_argument(
            "--requirements-dir",
            type=Path,
            default=REPOSITORY / "requirements",
            help="folder of the hash-locked files that say what a Deep Learning Container carries",
        )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 stopped as asked, 1 could not start, 2 wrong use."""
    options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if getattr(options, "verbose", False) else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    return _build(options) if options.command == "build" else _serve(options)


def _build(options: argparse.Namespace) -> int:
    from localcloud.images.build import ImageBuild
    from localcloud.images.deep_learning_containers import InstallationError
    from localcloud.images.dockerfile import DockerfileError
    from localcloud.images.store import ImageStore

    try:
        image = ImageBuild(
            store=ImageStore(options.image_store),
            requirements_dir=options.requirements_dir.resolve(),
            context=options.context.resolve(),
            dockerfile=options.context.resolve() / options.dockerfile,
            build_args=dict(argument.split("=", 1) for argument in options.build_arg),
        ).run()
    except (DockerfileError, InstallationError) as error:
        print(f"{options.context / options.dockerfile}: {error}", file=sys.stderr)
        return 1
    if options.link:
        options.link.parent.mkdir(parents=True, exist_ok=True)
        options.link.unlink(missing_ok=True)
        options.link.symlink_to(image.venv, target_is_directory=True)
    print(f"{image.digest} {image.venv}")
    return 0


def _serve(options: argparse.Namespace) -> int:
    state_dir = options.state_dir.resolve()
    cloud = LocalCloud(
        port=options.port,
        state_dir=state_dir,
        image_store=(options.image_store or state_dir / "images").resolve(),
        requirements_dir=options.requirements_dir.resolve(),
        spot_price_ratio=options.spot_price_ratio,
        minute=options.minute,
    )
    try:
        listener = listen(cloud.port)
    except PortInUseError as error:
        print(error, file=sys.stderr)
        return 1
    # Imported late: it loads moto, which takes seconds, and a mistake or a port in use should be answered at once.
    from localcloud.server import serve

    with listener:
        serve(cloud, listener, verbose=options.verbose)
    return 0


if __name__ == "__main__":
    sys.exit(main())
