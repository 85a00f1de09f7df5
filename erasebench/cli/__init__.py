"""The command line. Help, `list` and every error come without torch; exit codes are in `main`."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Annotated, Any

import typer

from erasebench.cli import clean, inspect, make, new_method, prompts, run, score, tune
from erasebench.cli.commands import Command, Group, reporting
from erasebench.console.interruption import MESSAGES, interrupted
from erasebench.console.messages import LOGGER, OTHERS, print_messages
from erasebench.console.scrubbing import scrubbed
from erasebench.errors import UserError

# The bases that typer's errors share, whichever of its versions is installed and wherever it keeps click.
UsageError: type[Any] = typer.BadParameter.__bases__[0]

JOB, PARTS = "The whole job", "Its parts"
LOOK, EXTEND = "Look at what is there", "Extend"

app = typer.Typer(
    name="erasebench",
    cls=Group,
    help="Concept erasure for text-to-image models: methods, suites, judges and a leaderboard that can be rerun.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        from erasebench import __version__

        print(f"erasebench {__version__}")
        raise typer.Exit


@app.callback()
def erasebench(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Concept erasure for text-to-image models: methods, suites, judges and a leaderboard that can be rerun."""


def _add(name: str, panel: str, command: Callable[..., Any]) -> None:
    app.command(name, cls=Command, rich_help_panel=panel)(reporting(command))


_add("run", JOB, run.run)
_add("erase", PARTS, make.erase)
_add("sample", PARTS, make.sample)
_add("score", PARTS, score.score)
_add("board", PARTS, inspect.board)
_add("clean", PARTS, clean.clean)
app.add_typer(prompts.app, name="prompts", cls=Group, rich_help_panel=PARTS)
_add("list", LOOK, inspect.list_)
_add("doctor", LOOK, inspect.doctor)
_add("new-method", EXTEND, new_method.new_method)
_add("tune", EXTEND, tune.tune_)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 done, 1 a run failed (the others still ran), 2 bad arguments, 130 interrupted, 143 ended by SIGTERM.
    """
    if arguments is None:
        sys.excepthook = _print_traceback
    with _plain_messages():
        try:
            words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
            code = app(args=words, prog_name="erasebench", standalone_mode=False)
            # Typer makes every KeyboardInterrupt an exit with 130, whichever signal it was.
            code = interrupted() or code
        except UserError as error:
            print(scrubbed(str(error)), file=sys.stderr)
            return 2
        except UsageError as error:
            print(scrubbed(f"{error.format_message()}\nSee erasebench --help."), file=sys.stderr)
            return 2
        except (KeyboardInterrupt, typer.Abort):
            code = interrupted() or 130
    if code in MESSAGES:
        print(MESSAGES[code], file=sys.stderr)
    return int(code or 0)


def _print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What Python prints of an error that nobody expected, without secrets."""
    print(scrubbed("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)


@contextmanager
def _plain_messages() -> Iterator[None]:
    """Messages on stdout while the command runs, and the logger as it was after."""
    before = LOGGER.level
    handler = print_messages()
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        logging.getLogger().removeHandler(OTHERS)
        LOGGER.setLevel(before)
