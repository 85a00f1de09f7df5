"""erasebench score: the judges on any folder of images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from erasebench.api.judges import MEASURES
from erasebench.cli import options

if TYPE_CHECKING:
    from erasebench.scoring.folder import Listing
    from erasebench.scoring.report import Report


def score(
    folder: Annotated[Path, typer.Argument(help="Folder of images; subfolders are searched too.")],
    judge: Annotated[
        list[str],
        typer.Option(
            "--judge",
            help=f"{', '.join(MEASURES)}, or a package's; may be repeated.",
        ),
    ],
    prompts: Annotated[
        Path | None,
        typer.Option("--prompts", help="Prompt table of the images; default: prompts are read from file names."),
    ] = None,
    world: Annotated[
        str | None,
        typer.Option(
            "--world", help="The world whose judges are used; default: the full-size world (the protocol's judges)."
        ),
    ] = None,
    judge_set: options.JudgeSet = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", help="Folder that FID compares with (setting reference).")
    ] = None,
    clip: Annotated[
        Path | None, typer.Option("--clip", help="OpenAI's ViT-B/32 weights, or download (setting clip).")
    ] = None,
    inception: Annotated[
        Path | None, typer.Option("--inception", help="FID's Inception weights, or download (setting inception).")
    ] = None,
    gcd_resources: Annotated[
        Path | None,
        typer.Option("--gcd-resources", help="Folder of Giphy's celebrity detector (setting gcd_resources)."),
    ] = None,
    gcd_rule: Annotated[
        str | None, typer.Option("--gcd-rule", help="cluster (the original's) or largest-face (setting gcd_rule).")
    ] = None,
    nudenet: Annotated[
        Path | None, typer.Option("--nudenet", help="Another network, e.g. 640m.onnx (setting nudenet).")
    ] = None,
    resolution: Annotated[
        int | None,
        typer.Option("--nudenet-resolution", help="Side length of its input in pixels (setting nudenet_resolution)."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", help="Lowest score that counts as a detection (setting nudenet_threshold)."),
    ] = None,
    counting: Annotated[
        str | None,
        typer.Option("--counting", help="Count detections or images (setting nudenet_counting)."),
    ] = None,
    convert: Annotated[
        bool,
        typer.Option(
            "--convert", help="Convert grey, palette, transparent, CMYK and 16-bit images to RGB and score them."
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="File for one row per image: .csv, .json or .parquet.")
    ] = None,
    device: options.Device = "cpu",
) -> int:
    """Judge existing images: yours, or those of the reference's scripts.

    An option that names a setting is short for --judge-set SETTING=VALUE, which run takes as well.
    """
    from erasebench.api.judge_settings import JudgeSettings
    from erasebench.api.world import load_world, world_of_size
    from erasebench.scoring.report import check_request, score_folder

    check_request(judge, out)
    opened = load_world(world or world_of_size("full"))
    settings = JudgeSettings.from_pairs(
        judge_set or (),
        reference=reference,
        clip=clip,
        inception=inception,
        gcd_resources=gcd_resources,
        gcd_rule=gcd_rule,
        nudenet=nudenet,
        nudenet_resolution=resolution,
        nudenet_threshold=threshold,
        nudenet_counting=counting,
    )
    opened.judge_with(settings)
    report = score_folder(folder, judge, opened, prompts=prompts, device=device, convert=convert)
    for line in _lines(report):
        print(line)
    if out is not None:
        report.write(out)
        print(f"Images: {out}")
    return 0 if report.scored else 1


def _lines(report: Report) -> Iterator[str]:
    from tabulate import tabulate

    headers = ("judge", "group", "metric", "value", "95% interval", "images")
    rows = [
        (judge, group, name, *_cells(metric))
        for judge, groups in report.metrics.items()
        for group, metrics in groups.items()
        for name, metric in metrics.items()
    ]
    yield tabulate(rows, headers=headers, tablefmt="simple", disable_numparse=True)
    yield ""
    for judge in report.rows:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in report.outcomes(judge).most_common())
        yield f"{judge}: {counts}"
    yield f"Files: {len(report.listing.images)} images" + "".join(_beside(report.listing))
    yield from report.notes
    if any("kid" in name or name.startswith("kd_") for *_, name, _, _, _ in rows):
        yield "Below 2,048 images the Frechet distance is biased upwards; the kernel distance is not."
    converted = next(iter(report.rows.values()))["converted"].dropna()
    if len(converted):
        kinds = ", ".join(f"{count} {kind}" for kind, count in converted.value_counts().items())
        yield f"Converted to RGB: {kinds}"


def _beside(listing: Listing) -> Iterator[str]:
    """What else lies in the folder: formats that are not read, what is left out by kind, other files."""
    if unread := listing.unread:
        yield f", {len(unread)} of them in formats that are not read ({_some(unread)})"
    for outcome in dict.fromkeys(left.outcome for left in listing.left_out):
        files = tuple(left.image.file for left in listing.left_out if left.outcome == outcome)
        yield f", {len(files)} {outcome} left out ({_some(files)})"
    if listing.foreign:
        yield f", {len(listing.foreign)} other files ignored ({_some(listing.foreign)})"


def _some(files: tuple[str, ...]) -> str:
    return ", ".join(files[:3]) + (", ..." if len(files) > 3 else "")


def _cells(metric: object) -> tuple[str, str, str]:
    from erasebench.api.value import MetricValue

    assert isinstance(metric, MetricValue)
    counted = f"{metric.n_scored}/{metric.n_expected}"
    if metric.value is None:
        return "unscored", metric.reason or "", counted
    digits = 0 if metric.unit == "count" else 4
    interval = (
        "" if metric.low is None or metric.high is None else f"[{metric.low:.{digits}f}, {metric.high:.{digits}f}]"
    )
    return f"{metric.value:.{digits}f}", interval or (metric.reason or ""), counted
