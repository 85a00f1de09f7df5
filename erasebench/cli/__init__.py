"""The command line. Help, `list` and every error come without torch; exit codes are in `main`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer

from erasebench.cli import inspect, make, new_method, prompts, run, score, tune
from erasebench.errors import UserError
from erasebench.messages import LOGGER, print_messages

# The bases that typer's errors share, whichever of its versions is installed and wherever it keeps click.
UsageError: type[Any] = typer.BadParameter.__bases__[0]

app = typer.Typer(
    name="erasebench",
    help="Concept erasure for text-to-image models: methods, suites, judges and a leaderboard that can be rerun.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("erase")(make.erase)
app.command("sample")(make.sample)
app.add_typer(prompts.app, name="prompts")
app.command("score")(score.score)
app.command("board")(inspect.board)
app.command("list")(inspect.list_)
app.command("doctor")(inspect.doctor)
app.command("new-method")(new_method.new_method)
app.command("tune")(tune.tune_)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0 done, 1 a run failed (the others still ran), 2 bad arguments, 130 interrupted."""
    with _plain_messages():
        try:
            words = None if arguments is None else list(arguments)
            code = app(args=words, prog_name="erasebench", standalone_mode=False)
        except UserError as error:
            print(error, file=sys.stderr)
            return 2
        except UsageError as error:
            print(f"{error.format_message()}\nSee erasebench --help.", file=sys.stderr)
            return 2
        except (KeyboardInterrupt, typer.Abort):
            code = 130
    if code == 130:
        print("Interrupted. Run the same command again: it goes on where it stopped.", file=sys.stderr)
    return int(code or 0)


@contextmanager
def _plain_messages() -> Iterator[None]:
    """Messages on stdout while the command runs, and the logger as it was after."""
    before = LOGGER.level
    handler = print_messages()
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(before)
