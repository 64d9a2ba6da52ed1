"""The command line: a file for each command. Heavy imports live inside the commands, so `--help` is quick."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hyperfocal import __version__
from hyperfocal.cli.bench import bench
from hyperfocal.cli.data import data
from hyperfocal.cli.doctor import doctor
from hyperfocal.cli.evaluate import evaluate
from hyperfocal.cli.extras import missing
from hyperfocal.cli.import_ import import_
from hyperfocal.cli.models import models
from hyperfocal.cli.predict import predict
from hyperfocal.cli.synth import synth
from hyperfocal.cli.train import recipes, train
from hyperfocal.errors import HyperfocalError

INTERRUPTED = 130  # 128 + SIGINT, what shells expect


class _Group(TyperGroup):
    """Commands whose failures are one line on standard error."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except HyperfocalError as error:
            typer.echo(f"hyperfocal: {error}", err=True)
            raise typer.Exit(1) from error
        except ModuleNotFoundError as error:
            line = missing(error.name or "", ctx.invoked_subcommand)
            if line is None:
                raise
            typer.echo(f"hyperfocal: {line}", err=True)
            raise typer.Exit(1) from error
        except KeyboardInterrupt as error:
            typer.echo("hyperfocal: interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from error


# No rich markup: its boxes break paths and reasons over lines.
app = typer.Typer(
    name="hyperfocal", cls=_Group, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False
)
for command in (predict, models, evaluate, bench, doctor, synth, recipes, train):
    app.command()(command)
app.command("import")(import_)
app.add_typer(data)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"hyperfocal {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """One photo of any size in, a sharp depth map in metres out, at the photo's own resolution."""


def main() -> None:
    """Run the command line; exit 0: done, 1: something failed, 2: wrong usage, 130: Ctrl-C."""
    app()
