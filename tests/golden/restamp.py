"""Give a board's records the versions of the code as it is, where it is shown that the code gives the same numbers.

    python -m tests.golden.same_numbers --out BEFORE.json     (in the tree that made the records)
    python -m tests.golden.same_numbers --out AFTER.json      (in this tree)
    python -m tests.golden.restamp BOARD --proof BEFORE.json AFTER.json --write

A record is written again in today's schema, with today's version of its method and judges and with the identity that
follows, if every job of its method in the proof is the same to the bit, if the model is the same, and if its prompts
are. No metric is computed or changed. --rows: the folder of records that were made with this tree; they replace those
of the same method, suite and scale. --earlier: records that an earlier version made, whose numbers this one does not
give; they keep its version and its identity, and the board says so. Without --write nothing is written.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from erasebench.api.world import load_world
from erasebench.board import write_board
from erasebench.board.shipped import ship
from erasebench.identity import digest
from erasebench.results.record import AVERAGE, UNEDITED, Record
from erasebench.runner import outcome
from erasebench.runner.average import merged_manifest
from erasebench.runner.job import Job, plan
from erasebench.runner.request import Request
from erasebench.runner.session import Session
from erasebench.runner.versions import todays_version
from tests.golden.same_numbers import compared, read

BASELINES = [UNEDITED, "uce", "esd-x"]
"""Methods whose records are shipped with erasebench."""
DISTANCES = ("fid_", "kid_", "kd_")
LAST_DIGITS = 1e-5
OPTIONS = {"--method", "--suite", "--scale", "--concepts", "--size", "--seed"}


class Restamp:
    """One pass over a board's records. `proven`: methods whose numbers are shown to be the same."""

    def __init__(self, proven: set[str]) -> None:
        self.session = Session(load_world("miniature"), "cpu")
        self.proven = proven

    def single(self, old: Record, *, earlier: bool) -> Record:
        """A record of one run, restamped. SystemExit where the proof, the model or the prompts do not allow it."""
        job = job_of(old)
        if not earlier and old.method not in self.proven:
            raise SystemExit(f"{old.id}: no proof that {old.method} gives the same numbers as before")
        digests, judges = self._decided_by(job, old.manifest.digests["erasure"])
        for part in ("model", "prompts"):
            if digests[part] != old.manifest.digests[part] and not (part == "prompts" and renamed_groups(job, old)):
                raise SystemExit(f"{old.id}: another {part}")
        if (job.sampling_fields, job.profile) != (old.manifest.sampling, old.manifest.profile):
            raise SystemExit(f"{old.id}: sampled in another way")
        if set(digests) != set(old.manifest.digests):
            raise SystemExit(f"{old.id}: other digests, {sorted(set(digests) ^ set(old.manifest.digests))}")
        manifest = old.manifest.model_copy(update={"digests": digests, "judges": judges})
        record = old.model_copy(update={"manifest": manifest, "table": job.suite.table})
        if earlier:
            return record
        config = {**manifest.config, "method": job.chosen.config.model_dump(mode="json")}
        return record.model_copy(
            update={
                "identity": outcome.record_identity(job, self.session, digests["erasure"]),
                "method_version": job.chosen.version,
                "manifest": manifest.model_copy(update={"config": config}),
            }
        )

    def average(self, old: Record, parts: list[Record], *, earlier: bool) -> Record:
        """A record that averages `parts`, which are restamped already."""
        merged = merged_manifest([part.manifest for part in parts], old.concepts)
        table = job_of(parts[0]).suite.average_table
        manifest = old.manifest.model_copy(update={"digests": merged.digests, "judges": merged.judges})
        record = old.model_copy(update={"manifest": manifest, "table": table})
        if earlier:
            return record
        identity = digest([AVERAGE, *(part.identity for part in parts)])
        manifest = manifest.model_copy(update={"config": merged.config})
        version = parts[0].method_version
        return record.model_copy(update={"identity": identity, "method_version": version, "manifest": manifest})

    def _decided_by(self, job: Job, erasure: str) -> tuple[dict[str, str], dict[str, Any]]:
        found, judges = {"erasure": erasure, "segmenter": self.session.segmenter}, {}
        for name in {name for group in job.table.groups for name in job.suite.judges_of(group, job.world)}:
            found[f"judge:{name}"] = self.session.judge_digest(name)
            judges[name] = json.loads(json.dumps(self.session.judge_identity(name)))
            if reference := self.session.reference_digest(name):
                found["reference"] = reference
        return {**job.fixed_digests, **found}, judges


def job_of(record: Record) -> Job:
    """The job that the record's command asks for today."""
    words = shlex.split(record.command)[2:]
    given = dict(zip(words[::2], words[1::2], strict=True))
    if unknown := set(given) - OPTIONS:
        raise SystemExit(f"{record.id}: options that are not restamped: {sorted(unknown)}")
    concepts = record.concepts if given.get("--suite") == "object" else None
    jobs = plan(
        Request(
            methods=(record.method,),
            suites=(record.suite,),
            scale=int(given["--scale"]) if "--scale" in given else None,
            concepts=tuple(given["--concepts"].split(",")) if "--concepts" in given else concepts,
            size=record.size,
            baselines="none",
        )
    )
    (job,) = (job for job in jobs if job.chosen.name == record.method)
    return job


def renamed_groups(job: Job, old: Record) -> bool:
    """Whether the prompts are the record's own but for the names that groups had under schema 1."""
    names = {"retain-seen": "retained-kept", "retain-heldout": "retained-unseen"}
    rows = tuple(row._replace(group=names.get(row.group, row.group)) for row in job.table.rows)  # type: ignore[arg-type]
    return type(job.table)(rows).digest == old.manifest.digests["prompts"]


def same_methods(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    """The methods of which every job is the same on both sides."""
    names = {*before["jobs"], *after["jobs"]}
    methods = {name.split(" / ")[0] for name in names}
    unlike = {name for name in names if not _same(before["jobs"].get(name), after["jobs"].get(name))}
    return methods - {name.split(" / ")[0] for name in unlike}


def _same(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> bool:
    """Whether all is equal to the bit, distances from reference images but for their last digits.

    The features of reference images are cached on a machine. Computed again, in a batch of another size, they differ
    in the last digits of float32, though the images and the network are the same.
    """
    found = compared(before, after)
    if not found or before is None or after is None:
        return not found
    if set(found) != {"metrics"} or not all(name.startswith(DISTANCES) for name in found["metrics"]):
        return False
    pairs = (zip(before["metrics"][name], after["metrics"].get(name, ()), strict=True) for name in found["metrics"])
    return all(abs(float(a) - float(b)) <= LAST_DIGITS * max(abs(float(a)), 1.0) for pair in pairs for a, b in pair)


def key_of(record: Record) -> tuple[str, str, str]:
    """What is shown once: a method, a suite and a scale."""
    return record.method, record.suite, str(record.scale)


def restamped(restamp: Restamp, records: Iterable[Record], earlier: set[str]) -> list[tuple[Record, Record]]:
    """Each record with what becomes of it."""
    pairs: list[tuple[Record, Record]] = []
    parts: dict[tuple[str, str, str], Record] = {}
    ordered = sorted(records, key=lambda record: record.scale == AVERAGE)
    for old in ordered:
        kept = f"{old.method}:{old.suite}" in earlier
        if old.scale == AVERAGE:
            new = restamp.average(old, [parts[old.method, old.suite, name] for name in old.concepts], earlier=kept)
        else:
            new = restamp.single(old, earlier=kept)
            parts[old.method, old.suite, old.concepts[0]] = new
        pairs.append((old, Record.model_validate(new.model_dump(mode="json"))))
    return pairs


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("board", type=Path)
    parser.add_argument("--proof", type=Path, nargs=2, metavar=("BEFORE.json", "AFTER.json"), required=True)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--earlier", nargs="*", default=[], metavar="METHOD:SUITE")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    before, after = (read(file) for file in given.proof)
    fresh = [Record.read(path) for path in sorted((given.rows / "results").glob("*.json"))] if given.rows else []
    if bad := [record.id for record in fresh if record.status != "done" or record.partial]:
        raise SystemExit(f"not whole: {bad}")
    replaced = {key_of(record) for record in fresh}
    old = {path: Record.read(path) for path in sorted((given.board / "results").glob("*.json"))}
    gone = [path for path, record in old.items() if key_of(record) in replaced]
    stay = [record for path, record in old.items() if path not in gone]
    # The unedited model has no job of its own in the proof: every job's images rest on it.
    restamp = Restamp(same_methods(before, after) | {UNEDITED})
    pairs = restamped(restamp, stay, set(given.earlier))
    for was, now in pairs:
        assert was.metrics == now.metrics and was.pairing == now.pairing, was.id
    print(f"{len(pairs)} records restamped, {len(given.earlier)} kinds left at an earlier version; {len(fresh)} new,")
    print(f"{len(gone)} replaced. Proven: {', '.join(sorted(restamp.proven))}")
    if not given.write:
        return
    sheets = given.board / "sheets"
    for path in old:
        path.unlink()
    for was, now in pairs:
        now.write(given.board / "results")
        if (sheet := sheets / f"{was.id}.png").exists() and was.id != now.id:
            sheet.rename(sheets / f"{now.id}.png")
    for record in fresh:
        record.write(given.board / "results")
        if (sheet := given.rows / "sheets" / f"{record.id}.png").exists():
            shutil.copy(sheet, sheets / sheet.name)
    records = [Record.read(path) for path in sorted((given.board / "results").glob("*.json"))]
    print(f"{len(ship(records, BASELINES))} records shipped as baselines")
    print(write_board(given.board, version_of=todays_version))


if __name__ == "__main__":
    main()
