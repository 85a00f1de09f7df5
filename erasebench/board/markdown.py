"""The board's page as markdown, from records and the published table. Same records, same bytes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from erasebench.board.against_published import against_published
from erasebench.board.cells import metric_cell, seconds_cell
from erasebench.board.costs import how_to_read
from erasebench.board.earlier import earlier_versions
from erasebench.board.erasings import HOW_TO_READ as ERASINGS
from erasebench.board.erasings import former_intervals, makes_repeats, one_erasing
from erasebench.board.groups import Group, groups, labels_of, title_of
from erasebench.board.markup import Markdown, code, escaped
from erasebench.board.newest import shown, superseded
from erasebench.board.no_intervals import no_intervals
from erasebench.board.pairs import HOW_TO_READ as PAIRS
from erasebench.board.pairs import makes_pairs
from erasebench.board.published_markdown import published_section
from erasebench.board.short import short_section
from erasebench.board.stand_ins import with_stand_ins
from erasebench.board.tables import markdown_table, measured_table
from erasebench.identity import digest
from erasebench.results.record import UNEDITED, Manifest, Record

INTRODUCTION = (
    "Made by `erasebench board` only from the records in [results/](results) and the published table. "
    "Each table shows runs on the same prompts, model, judges and numerics; each value is followed by its 95% interval."
)

_CONCEPTS_LISTED = 12

RESAMPLED = {
    "prompt": (
        "**[low, high]**: 95% interval by prompt, because images of one prompt are similar: from the design effect and "
        "Student's t, or a jackknife for Frechet and kernel distances (FID, KID and their mini forms). A count of zero "
        "has none. What an interval means, and how often it contains the true value: docs/statistics.md."
    ),
    "seed": "**[low, high]**: 95% interval by seed: one fixed prompt for each class. See docs/statistics.md.",
}
HOW_TO_READ = (
    (
        "**Bold**: best in its column, and its interval overlaps no other method's. No bold means not distinguished: "
        "overlapping intervals do not mean equal values. The unedited model does not compete."
    ),
    "**unscored (reason)**: no image could be scored; neither zero nor good. **n of N**: n of N images were scored.",
)


def page(
    records: Sequence[Record],
    unreadable: Mapping[str, str],
    sheets: Collection[str],
    *,
    written: Mapping[str, float] | None = None,
    yours: Collection[str] = (),
    versions: Mapping[str, str] | None = None,
) -> str:
    """The whole page. unreadable: file name -> what is wrong with it; sheets: ids of records with a contact sheet.

    written: when each record was written, by id, so that of one job the newest is shown; yours: ids of what was run
    just now, which comes first. versions: today's version by method; rows of an earlier one are marked.
    """
    blocks = ["# erasebench leaderboard", INTRODUCTION]
    if unreadable:
        lines = [f"- {code(name)}: {escaped(what)}" for name, what in sorted(unreadable.items())]
        blocks += ["## Warning: records that could not be read", "\n".join(lines)]
    if note := with_stand_ins(records):
        blocks.append(escaped(note))
    records = [record for record in records if not record.stand_ins]
    ordered = sorted(shown(records, written, yours), key=lambda record: record.id)
    older = len(superseded(records, written, yours))
    if older:
        blocks.append(
            f"Not shown: {older:,} older record{'s' * (older != 1)} of jobs that were run again since "
            "(`erasebench clean` removes them)."
        )
    blocks += _this_run(ordered, yours)
    by_suite: dict[str, list[Record]] = {}
    for record in ordered:
        by_suite.setdefault(record.suite, []).append(record)
    for _, own in sorted(by_suite.items()):
        blocks += _suite(own, sheets, yours, versions or {})
    return "\n\n".join(blocks) + "\n"


def _this_run(records: Sequence[Record], yours: Collection[str]) -> list[str]:
    """What was run just now, in short tables with those that it can be compared with."""
    done = [record for record in records if record.status == "done"]
    tables = [group for group in groups(done, yours) if any(record.id in yours for record in group.records)]
    blocks = ["## This run"] if tables else []
    for group in tables:
        title = escaped(f"{group.first.suite} on {group.first.world}: {group.title}")
        blocks += [f"### Yours: {title}", short_section(group, yours)]
    return [*blocks, "All metrics, and how to read them, are in the tables below."] if blocks else []


def _suite(
    records: Sequence[Record], sheets: Collection[str], yours: Collection[str], versions: Mapping[str, str]
) -> list[str]:
    done = [record for record in records if record.status == "done"]
    ranked = groups((record for record in done if not record.partial), yours)
    partial = [record for record in done if record.partial]
    blocks = [f"## {escaped(records[0].suite)}"]
    blocks += [escaped(about) for about in sorted({record.table.about for record in records}) if about]
    for group in ranked:
        blocks += _ranked(group, sheets, versions)
    if partial:
        blocks += [
            "### Partial runs, not ranked",
            "Made with `--limit`: these runs test the setup and are not results.",
        ]
        blocks.append(_partial(partial))
    blocks += _failed([record for record in records if record.status == "failed"])
    if ranked:
        blocks += ["### How to read these tables", _guide(ranked)]
    blocks.append(published_section(records[0].suite, {str(group.first.scale) for group in ranked}))
    blocks += ["### Run it again", _reruns(records)]
    return [block for block in blocks if block]


def _ranked(group: Group, sheets: Collection[str], versions: Mapping[str, str]) -> list[str]:
    title = "### " + escaped(f"{group.first.world}: {group.title}")
    blocks = [
        title,
        measured_table(group),
        escaped(one_erasing(group)),
        escaped(former_intervals(group)),
        escaped(earlier_versions(group, versions)),
        _shipped(group.records),
    ]
    blocks += [_setting(group), "\n".join(f"- {escaped(line)}" for line in no_intervals(group))]
    pictured = [(escaped(label), r) for label, r in zip(group.labels, group.records, strict=True) if r.id in sheets]
    blocks.append(against_published(group))
    if pictured:
        # The best method's pictures are shown, the others linked, so that the page stays one page.
        picture = next(((label, r) for label, r in pictured if r.method != UNEDITED), pictured[0])
        blocks.append(f"![{picture[0]}: before and after, same seeds](sheets/{picture[1].id}.png)")
        links = ", ".join(f"[{label}](sheets/{record.id}.png)" for label, record in pictured)
        blocks.append(f"Contact sheets, the same seeds before and after: {links}.")
    return blocks


def _setting(group: Group) -> str:
    record = group.first
    profile, sampling = record.manifest.profile, record.manifest.sampling
    sizes = sorted({each.manifest.profile.batch_size for each in group.records})
    how = [profile.device_type, profile.dtype] + [f"VAE {profile.vae_dtype}"] * (profile.vae_dtype != profile.dtype)
    how += ["compiled"] * profile.compiled
    how.append(f"batches of {' or '.join(map(str, sizes))}")
    how += [f"{name.replace('_', ' ')} {value}" for name, value in sampling.items() if name != "batch_size"]
    more = len(record.concepts) - _CONCEPTS_LISTED
    listed = ", ".join(escaped(name) for name in record.concepts[:_CONCEPTS_LISTED]) + f" and {more:,} more" * (
        more > 0
    )
    return f"Concepts: {listed}.\n\nSetting: {escaped(', '.join(how))}."


def _shipped(records: Sequence[Record]) -> str:
    """Which rows were not run here, and the machine that each was run on."""
    machines: dict[str, list[str]] = {}
    for record in records:
        if record.shipped:
            machines.setdefault(_machine(record.manifest), []).append(record.method)
    given = "; ".join(f"{escaped(', '.join(methods))} ({escaped(machine)})" for machine, methods in machines.items())
    return f"Shipped with erasebench, not run here: {given}. Seconds and memory are that machine's." if given else ""


def _machine(manifest: Manifest) -> str:
    threads = [] if manifest.threads is None else [f"{manifest.threads} thread{'s' * (manifest.threads != 1)}"]
    cpu = [] if manifest.cpu is None else [manifest.cpu]
    return ", ".join([manifest.device, *threads, *cpu, manifest.platform])


def _partial(records: Sequence[Record]) -> str:
    """One line for each: its name and its primary metric."""
    lines = []
    for label, record in zip(labels_of(records), records, strict=True):
        primary_metric = record.table.primary_column
        metric = record.metrics.get(primary_metric.key)
        cell = metric_cell(metric, primary_metric)
        if metric is not None and metric.value is not None and not metric.has_interval:
            cell = Markdown(f"{cell} (no interval: {escaped(str(metric.reason))})")
        which = escaped(f"{label} on {record.world}, {title_of(record)}: {primary_metric.heading}")
        lines.append(f"- {which} {cell}")
    return "\n".join(lines)


def _failed(records: Sequence[Record]) -> list[str]:
    if not records:
        return []
    rows = [
        [label, record.world, title_of(record), str(record.error)]
        for label, record in zip(labels_of(records), records, strict=True)
    ]
    return ["### Runs that failed", markdown_table(["method", "world", "run", "error"], rows, left=4)]


def _guide(tables: Sequence[Group]) -> str:
    columns = {column.heading: column for group in tables for column in group.columns}
    ranking = dict.fromkeys(f"**{escaped(group.first.table.primary_column.heading)}**" for group in tables)
    lines = [
        f"Rows are ranked by {' or '.join(ranking)}. "
        "The unedited model stands first, for comparison, and is not ranked."
    ]
    lines += [f"**{escaped(heading)}**: {escaped(column.meaning)}" for heading, column in columns.items()]
    about = {group.first.world: group.first.world_about for group in tables if group.first.world_about}
    resampled = [text for kind, text in RESAMPLED.items() if any(g.first.table.resampled == kind for g in tables)]
    lines += [
        *resampled,
        *([PAIRS] if any(map(makes_pairs, tables)) else []),
        *([ERASINGS] if makes_repeats(tables) else []),
        *HOW_TO_READ,
        *how_to_read(tables),
        *(f"**{escaped(world)}**: {escaped(text)}" for world, text in sorted(about.items())),
    ]
    return "\n".join(f"- {line}" for line in lines)


def _reruns(records: Sequence[Record]) -> str:
    """Per record: what decided it, in short digests, what its stages took, and the command that makes it again."""
    headers = ["record", "method version", "config", "model", "device", "seconds by stage", "command"]
    rows = []
    for record in records:
        manifest = record.manifest
        stages = ", ".join(f"{name} {seconds_cell(stage.seconds)}" for name, stage in manifest.stages.items())
        rows.append(
            [
                Markdown(f"[{record.id}](results/{record.id}.json)"),
                record.method_version[:8],
                digest(manifest.config)[:8],
                manifest.digests.get("model", "unknown")[:8],
                f"{manifest.device}, {manifest.profile.dtype}",
                stages,
                code(record.command),
            ]
        )
    return markdown_table(headers, rows, left=len(headers))
