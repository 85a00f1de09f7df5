"""The options that several commands share, each with its help."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from erasebench.api.world import SCHEDULER_NAMES
from erasebench.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from erasebench.api.world import SizeName

ASKED, ERASING, PAINTING = "What is run", "How it is erased", "How images are sampled"
JUDGING, WHERE = "How images are judged", "Where"
"""Headings of the options in a command's help."""

World = Annotated[
    str,
    typer.Option("--world", help="The world: a base model with its concept lists and judges.", rich_help_panel=ASKED),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Hub id or folder of the model, for worlds that accept one; default: the world's own.",
        rich_help_panel=ASKED,
    ),
]
Scale = Annotated[
    int | None,
    typer.Option(
        "--scale",
        help="How many names are erased, one of the suite's scales (celebrity: 1, 5, 10 or 100); default: the suite's.",
        rich_help_panel=ASKED,
    ),
]
Concepts = Annotated[
    str | None,
    typer.Option(
        "--concepts",
        help="Names to erase instead of the suite's, separated by commas; with --anchor, any words.",
        rich_help_panel=ASKED,
    ),
]
Anchor = Annotated[
    str | None,
    typer.Option(
        "--anchor",
        help="What the erased names become, instead of the suite's anchor: one for all, or one for each, by commas. "
        "With --anchor, --concepts may be any words.",
        rich_help_panel=ASKED,
    ),
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:<number>.", rich_help_panel=WHERE)]
Precision = Annotated[
    str,
    typer.Option(
        "--dtype",
        help="Precision of sampling: float32, bfloat16 or float16; auto: float32 on a CPU, half precision on a GPU. "
        "Methods erase in float32, and the VAE decodes in it.",
        rich_help_panel=PAINTING,
    ),
]
Compiled = Annotated[
    bool,
    typer.Option(
        "--compiled",
        help="Compile the U-Net for sampling: faster on a GPU; a table of its own, since last digits change.",
        rich_help_panel=PAINTING,
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the methods' random numbers.", rich_help_panel=ASKED)]
FirstSeed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        help="For a table without seeds: the first row's seed; the next rows count up.",
        rich_help_panel=PAINTING,
    ),
]
Repeats = Annotated[
    int,
    typer.Option(
        "--repeats",
        help="Erase under this many seeds, from --seed on: mean, spread, and an interval for prompts and training.",
        rich_help_panel=ASKED,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="METHOD.FIELD=VALUE", help="A setting; may be repeated.", rich_help_panel=ERASING),
]
Recipe = Annotated[
    str, typer.Option("--recipe", help="A named recipe of the methods, e.g. as-released.", rich_help_panel=ERASING)
]
Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        help="At most this many images of each group, for a quick look: not ranked; default: all.",
        rich_help_panel=PAINTING,
    ),
]
Sampling = Annotated[
    str,
    typer.Option(
        "--sampling",
        help="released: all rows alike; i2p-rows: each row with its own guidance and size.",
        rich_help_panel=PAINTING,
    ),
]
Steps = Annotated[
    int | None, typer.Option("--steps", help="Sampling steps; default: the world's.", rich_help_panel=PAINTING)
]
Guidance = Annotated[
    float | None,
    typer.Option(
        "--guidance", help="Guidance scale; 1 or less means none; default: the world's.", rich_help_panel=PAINTING
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler", help=f"{', '.join(SCHEDULER_NAMES)}; default: the world's (DDIM).", rich_help_panel=PAINTING
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        help="Images sampled together; may change pixels slightly; default: the world's.",
        rich_help_panel=PAINTING,
    ),
]
Attack = Annotated[
    list[str] | None,
    typer.Option(
        "--attack",
        help="An attack on the edited models, or path/to/file.py:Class; may be repeated.",
        rich_help_panel=JUDGING,
    ),
]
AttackSet = Annotated[
    list[str] | None,
    typer.Option(
        "--attack-set",
        metavar="ATTACK.FIELD=VALUE",
        help="An attack's setting, or its group; may be repeated.",
        rich_help_panel=JUDGING,
    ),
]
JudgeSet = Annotated[
    list[str] | None,
    typer.Option(
        "--judge-set",
        metavar="SETTING=VALUE",
        help="A judge's setting or weights; may be repeated.",
        rich_help_panel=JUDGING,
    ),
]
RunsFolder = Annotated[
    Path, typer.Option("--runs-folder", help="Folder for erasures, images and judgements.", rich_help_panel=WHERE)
]


def names(text: str | None) -> tuple[str, ...] | None:
    """'a, b' -> ('a', 'b'); None stays None, and a blank between commas an empty name."""
    return None if text is None else tuple(part.strip() for part in text.split(",") if text.strip())


def anchors(text: str | None) -> tuple[str, ...] | None:
    """As `names`; '' is one empty anchor."""
    return None if text is None else tuple(part.strip() for part in text.split(","))


def settings(
    pairs: list[str] | None, flag: str = "--set", owner: str = "method", example: str = "mace.steps=20"
) -> dict[str, str]:
    """['mace.steps=20'] -> {'mace.steps': '20'}. UserError for a pair without '=' or a field that is set twice.

    `flag`, `owner` and `example` are for the error: the option that gives them, what they belong to, one of them.
    """
    found: dict[str, str] = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"{flag} {pair} has no '='.", f"Write {flag} {owner}.field=value, e.g. {example}.")
        if found.setdefault(key.strip(), value) != value:
            raise UserError(f"{flag} {key} is given twice, with different values.", "Give it once.")
    return found


def size(text: str | None) -> SizeName | None:
    """The size's name, checked. UserError for another word."""
    from erasebench.api.world import SizeName

    for known in get_args(SizeName):
        if text == known:
            return known  # type: ignore[no-any-return]
    if text is None:
        return None
    raise UserError(f"There is no size '{text}'.", did_you_mean(text, get_args(SizeName)))
