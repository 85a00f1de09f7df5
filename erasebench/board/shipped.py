"""Records of baselines that come with erasebench: shown beside a run that they can be compared with, and marked.

They are never read as a cache: whoever runs such a method here measures it here, and that record takes its place.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from erasebench.board.build import read_records
from erasebench.board.groups import comparable, standing
from erasebench.errors import UserError
from erasebench.identity import digest
from erasebench.results.record import Record

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent / "baselines"
"""Package data, one record a file; written by `erasebench board --ship`."""


def shipped_records(folder: Path | None = None) -> list[Record]:
    """The records that are shipped; one that cannot be read is named in the log and left out."""
    folder = FOLDER if folder is None else folder
    if not any(folder.glob("*.json")):
        return []
    records, unreadable = read_records(folder)
    for what in unreadable.values():
        log.warning("A shipped record cannot be shown: %s", what)
    return [record for record in records if not record.stand_ins]


def ship(records: Iterable[Record], methods: Collection[str], folder: Path | None = None) -> list[Path]:
    """Write the whole, finished records of `methods` to `folder` as shipped ones; the paths written.

    One of the same method, world, suite, scale, size and numerics that was shipped before is removed. UserError for a
    method without such a record, and for two records of one method that stand in the same table.
    """
    folder = FOLDER if folder is None else folder
    own = [r for r in records if r.method in methods and r.status == "done" and _may_be_shipped(r)]
    if missing := sorted(set(methods) - {record.method for record in own}):
        what = f"There is no complete record of {', '.join(missing)} that was made here, with real weights."
        raise UserError(what, "Run it first, without --limit and without stand-ins, into the same leaderboard.")
    chosen: dict[str, Record] = {}
    for record in own:
        other = chosen.setdefault(standing(record), record)
        if other is not record:
            what = f"Two records of {record.method} are in one table: {other.id} and {record.id}."
            raise UserError(what, "Remove the one that you do not want to ship from the leaderboard's results.")
    places = [_place(record) for record in chosen.values()]
    for before in shipped_records(folder):
        if _place(before) in places:
            (folder / f"{before.id}.json").unlink()
    return [record.model_copy(update={"shipped": True}).write(folder) for record in chosen.values()]


def fitting(record: Record, method: str, shipped: Sequence[Record]) -> Record | str:
    """The shipped record of `method` that may stand in one table with `record`, or why there is none.

    It may where all agree that makes a table: world, suite, concepts, size, model, prompts, judges, sampling and
    numerics profile; see `erasebench.board.groups.comparable`.
    """
    here = comparable(record)
    candidates = [
        (other, comparable(other))
        for other in shipped
        if (other.method, other.variant, other.world, other.suite) == (method, "default", record.world, record.suite)
    ]
    if not candidates:
        return "none is shipped for this world and suite"
    nearest, there = min(candidates, key=lambda candidate: len(_differing(here, candidate[1])))
    differing = _differing(here, there)
    return _why(differing[0], here, there) if differing else nearest


def _may_be_shipped(record: Record) -> bool:
    return not (record.partial or record.shipped or record.stand_ins)


def _place(record: Record) -> tuple[Any, ...]:
    where = (record.world, record.suite, record.scale, record.size, digest(record.manifest.profile.ranked))
    return (record.method, record.variant, *where)


def _differing(here: dict[str, Any], there: dict[str, Any]) -> list[str]:
    """What two tables differ in, in the order of `comparable`."""
    return [name for name in dict.fromkeys((*here, *there)) if here.get(name) != there.get(name)]


def _why(name: str, here: dict[str, Any], there: dict[str, Any]) -> str:
    if name == "partial":
        return "a partial run is not compared with shipped records"
    if name == "compiled":
        return f"the shipped record was sampled {'compiled' if there.get(name) else 'eagerly'}"
    if name in ("scale", "size", "device_type", "dtype", "vae_dtype"):
        return f"{name.replace('_', ' ')} {there.get(name)} is shipped, not {here.get(name)}"
    return f"the shipped record has other {name.removesuffix(' digest')}"
