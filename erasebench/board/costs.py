"""What a method cost, beside its metrics: time, memory, how much of the model it changed, how long it was tuned."""

from __future__ import annotations

from collections.abc import Sequence

from erasebench.api.value import Edit
from erasebench.board.cells import NOT_MEASURED, memory_cell, seconds_cell
from erasebench.board.groups import Group
from erasebench.board.markup import Markdown, escaped
from erasebench.results.record import UNEDITED, Record

ERASING, SAMPLING = "erase, seconds", "sampling, times"
CHANGED, TRIALS = "changed", "trials"
UNTUNED, NOT_TUNED_HERE = "untuned", Markdown("-")
_KILO = 1000


def cost_columns(group: Group) -> list[tuple[str, Sequence[str]]]:
    """Headings, each with a cell for every record; what no record of the group tells has no column."""
    records = group.records
    columns: list[tuple[str, Sequence[str]]] = [
        (ERASING, [_erasing_cell(record) for record in records]),
        (SAMPLING, [_sampling_cell(record) for record in records]),
        ("peak memory, GB", [memory_cell(record.peak_memory_bytes) for record in records]),
    ]
    if any(record.edit for record in records):
        columns.append((CHANGED, [changed_cell(record) for record in records]))
    if any(record.tuning for record in records):
        columns.append((TRIALS, [trials_cell(record) for record in records]))
    return columns


def how_to_read(tables: Sequence[Group]) -> list[str]:
    """Lines of the reading guide for those columns that the tables have."""
    records = [record for group in tables for record in group.records]
    lines = [
        f"**{ERASING}**: the time of erasing on the machine that the record names. **peak memory**: the peak over all "
        "stages on that machine. Compare both only on one machine.",
        f"**{SAMPLING}**: the time to sample a batch with the edit, as a multiple of the time without it, both "
        "measured in turn by the same run; - if the run did not measure it.",
    ]
    if any(record.edit for record in records):
        lines.append(
            f"**{CHANGED}**: share of the U-Net's values that the edit changed, and the Frobenius norm of the change "
            "relative to that of the changed tensors. *while sampling*: no weight changes; every call of the model "
            "is changed; if the change has tensors, their size is given."
        )
    splits = sorted({record.tuning.split for record in records if record.tuning})
    if splits:
        lines.append(
            f"**{TRIALS}**: settings that were tried on {escaped(' and '.join(splits))}, for this kind of concept, "
            "before the method's settings were chosen, as recorded; the methods' README lists others. "
            f"**{UNTUNED}**: none is recorded. A lead over a method with fewer trials may come from "
            "tuning and not from the method. "
            f"**{NOT_TUNED_HERE}**: settings from another source (given by hand, another recipe), or an older record."
        )
    return lines


def changed_cell(record: Record) -> str:
    """'2.1% of the U-Net, 0.034 relative'; 'none: while sampling, 1.2 MB'; 'nothing'; 'not measured'."""
    edit = record.edit
    if edit is None:
        return NOT_MEASURED
    weights = _weights(edit)
    if edit.sampling is None:
        return weights or "nothing"
    size = f", {_size(edit.bytes)}" if edit.bytes else ""
    return f"{weights} and while sampling{size}" if weights else f"none: while sampling{size}"


def trials_cell(record: Record) -> str:
    """The number of trials; 'untuned' for none; '-' where the settings are of another origin."""
    if record.method == UNEDITED:
        return "none"
    if record.tuning is None:
        return NOT_TUNED_HERE
    return f"{record.tuning.trials:,}" if record.tuning.trials else UNTUNED


def _erasing_cell(record: Record) -> str:
    stage = record.manifest.stages.get("erase")
    return NOT_MEASURED if stage is None else seconds_cell(stage.seconds)


def _sampling_cell(record: Record) -> Markdown:
    ratio = record.manifest.sampling_ratio
    if record.method == UNEDITED:
        return Markdown("1")
    return Markdown("-" if ratio is None else f"{ratio:.2f}")


def _weights(edit: Edit) -> str:
    if not edit.tensors:
        return ""
    parts = (("U-Net", edit.unet_share), ("text encoder", edit.text_encoder_share))
    shares = " and ".join(f"{_percent(share)} of the {part}" for part, share in parts if share)
    relative = "no finite size" if edit.relative_change is None else f"{edit.relative_change:.2g} relative"
    return f"{shares}, {relative}"


def _percent(share: float) -> str:
    percent = 100 * share
    if percent < 0.01:
        return "under 0.01%"
    return f"{percent:.1f}%" if percent >= 0.1 else f"{percent:.2f}%"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < _KILO:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= _KILO
    return f"{count:.1f} GB"
