"""The commands of `hfsm`: their arguments, nothing else. Those that belong together have a module of their own."""

from pathlib import Path
from typing import Annotated

import typer

from hfsm import (
    endpoint_commands,
    image_commands,
    local_commands,
    model_commands,
    price_commands,
    transform_commands,
    trigger_commands,
)
from hfsm.options import Environment, Local
from hfsm.progress import make_console

app = typer.Typer(
    name="hfsm",
    help="Operate an environment of the Hugging Face on SageMaker stack, on AWS or on the embedded AWS.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(local_commands.app, name="local")
app.add_typer(image_commands.app, name="images")
app.add_typer(endpoint_commands.app, name="endpoints")
app.add_typer(price_commands.app, name="prices")
model_commands.register(app)


@app.command()
def train(
    request: Annotated[Path, typer.Argument(help="A training request, a JSON file; or the script to train with.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[-- ARGUMENT...]", help="Of the script: --name value …")
    ] = None,
    accelerate_config: Annotated[
        Path | None, typer.Option(help="A file of `accelerate config` for SageMaker. REQUEST is then the script.")
    ] = None,
    environment: Environment = "dev",
    local: Local = False,
    image: Annotated[
        str | None, typer.Option(help="Name of the training image, in place of the one that the request names.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the training until it ends.")] = True,
) -> None:
    """Train a model: upload what is local, start the state machine, follow it, print the outcome.

    Exit code 0: registered; 1: failed, or no longer followed; 2: the request is wrong and nothing was
    started.
    """
    from hfsm import accelerate_config as accelerate
    from hfsm import cloud
    from hfsm import train as training
    from hfsm.request import check_request, read_request

    # A wrong file is told before anything is asked of AWS.
    if accelerate_config is None:
        if arguments:
            raise typer.BadParameter("only a script has arguments, and a script needs --accelerate-config.")
        checked = read_request(request, image=image)
    else:
        config = accelerate.read(accelerate_config)
        body, notes = accelerate.request_body(config, accelerate_config, request, arguments or [])
        checked = check_request(accelerate_config, body, image=image)
        for note in notes:
            typer.echo(note)
    parameters = cloud.Parameters(cloud.connect(local), environment)
    raise typer.Exit(training.train(checked, parameters, make_console(), wait=wait))


@app.command("accelerate-config")
def write_accelerate_config(
    job_type: Annotated[str | None, typer.Option(help="Which job type. Left out: the only one.")] = None,
    environment: Environment = "dev",
    local: Local = False,
) -> None:
    """Print a configuration for `accelerate launch --config_file` that trains in this environment."""
    from hfsm import cloud, launch_config

    typer.echo(launch_config.write(cloud.Parameters(cloud.connect(local), environment), job_type), nl=False)


@app.command()
def build(
    images: Annotated[list[str] | None, typer.Argument(metavar="[IMAGE...]", help="Which. Left out: all.")] = None,
    environment: Environment = "dev",
    local: Local = False,
) -> None:
    """Build container images of an environment and push them to its repositories.

    A deployment starts the builds of what it has changed: such a build is followed, and no second one started.
    """
    from hfsm import cloud
    from hfsm import images as container_images

    parameters = cloud.Parameters(cloud.connect(local), environment)
    container_images.build(images or [], parameters, make_console())


@app.command()
def mirror(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL]...", help="<namespace>/<name> or …@<revision>. Left out: all of hub.models."),
    ] = None,
    environment: Environment = "dev",
    local: Local = False,
    show: Annotated[bool, typer.Option("--list", help="Only show which models are there, and where.")] = False,
) -> None:
    """Bring models of the Hugging Face Hub, named in the settings, into the models bucket.

    What is there already costs nothing; what was interrupted goes on.
    """
    from hfsm import cloud
    from hfsm import mirror as mirroring

    parameters = cloud.Parameters(cloud.connect(local), environment)
    if show:
        mirroring.show(parameters, make_console())
    else:
        mirroring.mirror(models or [], parameters, make_console())


@app.command()
def package(
    model: Annotated[Path, typer.Argument(help="Folder of the model, as save_pretrained writes it.")],
    code: Annotated[
        Path | None, typer.Option(help="Folder with inference.py, and requirements.txt. Left out: the image's code.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            help="s3://…/model.tar.gz, s3://…/ for the files as they are, or a file here. Left out: the models bucket."
        ),
    ] = None,
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Take weights that may run code when they are loaded.")
    ] = False,
    environment: Environment = "dev",
    local: Local = False,
) -> None:
    """Put a model and its inference code into model.tar.gz, the same one each time, where SageMaker reads it."""
    from hfsm import cloud
    from hfsm import package as packaging

    # A wrong folder is told before anything is asked of AWS.
    folder = packaging.check(model, code, allow_pickle=allow_pickle)
    for name in folder.left_out:
        typer.echo(f"left out: {name}, which may run code when it is loaded")
    if to and not to.startswith("s3://"):
        packaged = packaging.to_file(folder, Path(to), typer.echo)
    else:
        parameters = cloud.Parameters(cloud.connect(local), environment)
        packaged = packaging.to_s3(folder, to, parameters, typer.echo)
    typer.echo(f"{packaged.uri} (sha256 {packaged.sha256})")


@app.command()
def predict(
    endpoint: Annotated[str, typer.Argument(help="An endpoint of the settings, or a SageMaker endpoint's name.")],
    texts: Annotated[list[str], typer.Argument(metavar="TEXT...", help="The texts to classify.")],
    environment: Environment = "dev",
    local: Local = False,
) -> None:
    """Classify texts by an endpoint: label and score of each."""
    from hfsm import cloud
    from hfsm import predict as prediction

    prediction.predict(endpoint, texts, cloud.Parameters(cloud.connect(local), environment), make_console())


@app.command()
def status(
    environment: Environment = "dev",
    local: Local = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """Show stacks, images, training, model packages and endpoints of an environment."""
    from hfsm import cloud
    from hfsm import status as overview

    found = overview.status(cloud.Parameters(cloud.connect(local), environment))
    if json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        overview.show(found, make_console())


@app.command()
def report(
    execution: Annotated[str, typer.Argument(help="Name or ARN of a training run's execution.")],
    environment: Environment = "dev",
    local: Local = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """Show how a training run ended: why, what it cost and saved, what to do. Of a redriven run, each time."""
    from json import dumps

    from hfsm import cloud
    from hfsm import report as reports

    found = reports.find(execution, cloud.Parameters(cloud.connect(local), environment))
    typer.echo(dumps(found, indent=2) if json else "\n\n".join(each["text"] for each in found))


app.command()(trigger_commands.triggers)
app.command()(transform_commands.transform)


@app.command()
def diagram(
    template: Annotated[Path, typer.Argument(help="A synthesised template, for example of cdk.out/.")],
    machine: Annotated[str | None, typer.Option(help="How its logical id begins. Left out: the only one.")] = None,
    overview: Annotated[bool, typer.Option("--overview", help="Leave out errors, and waiting.")] = False,
) -> None:
    """Print a state machine as a drawing in the DOT language, which Graphviz and docs/diagrams/render.mjs draw."""
    from hfsm import diagram as drawing

    definition = drawing.read(template, machine)
    typer.echo(drawing.dot(drawing.overview(definition) if overview else definition), nl=False)


@app.command()
def demo(
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with train.jsonl and test.jsonl. Left out: the data set that comes with the demo."),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="Folder of a pretrained model to start from. Left out: a small new one."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the embedded AWS running at the end.")] = False,
) -> None:
    """Deploy, train with a spot interruption, register, serve and predict, all on this machine."""
    from hfsm.demo.command import run_demo

    raise typer.Exit(run_demo(data, model, keep=keep, console=make_console()))
