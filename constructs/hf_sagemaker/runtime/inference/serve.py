"""PID 1 of the serving container: starts the server that the image was built for.

`batching`: the front end of this folder, with the model in worker processes. `toolkit`: what the base image serves
with. Both end with exit code 1 when the model cannot be loaded, and the last line of the log says why.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from server_settings import ImageSettings, ServerSettings, SettingsError


def main(arguments: Sequence[str]) -> None:
    """arguments: `serve`; any other command is run as it is."""
    if arguments and arguments[0] != "serve":
        os.execvp(arguments[0], list(arguments))
    try:
        image = ImageSettings.read(Path(__file__).parent)
        settings = None if image.server == "toolkit" else ServerSettings.read(os.environ, image)
    except SettingsError as error:
        sys.exit(str(error))  # on stderr, with exit code 1
    # Each server's modules need libraries that the other one's image may lack.
    if settings is None:
        import toolkit_server

        toolkit_server.run()
    import http_server

    http_server.run(settings)


if __name__ == "__main__":
    main(sys.argv[1:])
