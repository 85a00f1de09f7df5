"""How commands look and what each of them takes: options in named groups, -v and -q everywhere."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from erasebench.console.messages import LOGGER
from erasebench.errors import UserError

OTHER_OPTIONS, OTHER_COMMANDS = "Other options", "Other commands"


Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Report more: details of each step, and tracebacks of failures.")
]
Quiet = Annotated[
    bool, typer.Option("-q", "--quiet", help="Report only warnings, failures and the result; no progress bars.")
]


def reporting(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with -v and -q: they set the level of what is reported, so it takes no notice of them."""

    def reported(*, verbose: bool, quiet: bool, **words: Any) -> Any:
        if verbose and quiet:
            raise UserError("-v and -q are given together.", "Give one of them.")
        if verbose or quiet:
            LOGGER.setLevel(logging.DEBUG if verbose else logging.WARNING)
        return command(**words)

    own = inspect.signature(command, eval_str=True).parameters.values()
    flags = {"verbose": Verbose, "quiet": Quiet}
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in flags.items()
    ]
    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own] + added
    reported.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    reported.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    reported.__doc__, reported.__name__ = command.__doc__, command.__name__
    return reported


def _by_panel(items: list[tuple[str | None, Any]], other: str) -> dict[str, list[Any]]:
    """The items of each panel in the order of first appearance; those without one last, under `other`."""
    panels: dict[str, list[Any]] = {}
    for panel, item in items:
        panels.setdefault(panel or other, []).append(item)
    return {name: panels[name] for name in sorted(panels, key=lambda name: name == other)}


def _write_options(command: Any, context: Any, formatter: Any) -> None:
    arguments, options = [], []
    for param in command.get_params(context):
        shown = param.get_help_record(context)
        if shown is None:
            continue
        if param.param_type_name == "argument":
            arguments.append(shown)
        else:
            options.append((getattr(param, "rich_help_panel", None), shown))
    if arguments:
        with formatter.section("Arguments"):
            formatter.write_dl(arguments)
    panels = _by_panel(options, OTHER_OPTIONS)
    for panel, rows in panels.items():
        with formatter.section(panel if len(panels) > 1 else "Options"):
            formatter.write_dl(rows)


class Command(TyperCommand):
    """A command whose help shows its options by their `rich_help_panel`, in plain text."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_options(self, ctx, formatter)


class Group(TyperGroup):
    """A group whose help shows its commands by their `rich_help_panel`, with the first sentence of each uncut."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        shown = [
            (getattr(command, "rich_help_panel", None), (name, command.get_short_help_str(200)))
            for name, command in found
            if command is not None and not command.hidden
        ]
        panels = _by_panel(shown, OTHER_COMMANDS)
        for panel, rows in panels.items():
            with formatter.section(panel if len(panels) > 1 else "Commands"):
                formatter.write_dl(rows)
