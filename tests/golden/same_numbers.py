"""Whether two states of the code give the same numbers: digests of a small job of every method, kind and recipe.

    python -m tests.golden.same_numbers --out before.json      # from the repository's folder, in each state
    python -m tests.golden.same_numbers --compare before.json after.json

Each job is one `erasebench run` on the miniature world, into a folder of its own. Of what it leaves, digests are kept
of the erasure, the images' pixels and the judgements, and the metrics themselves; all of it equal to the bit, or not.
What is not compared: names of files, identities, versions and times. The file is written after each job, and a job that
is in it is skipped. Both files have to come from one machine, since the last digits of a CPU are its own.

It runs on old and new code alike, so it rests on the command line and on the files of a run. Whatever a change renames
of these (an option, a setting, a column, a word) has to be said in the copy that runs on the changed code: nearly all
that is taken for granted stands in the constants. A judgement or a metric under a new name is found by its value.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import runpy
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any, NamedTuple

KINDS: Mapping[str, list[str]] = {
    "object": ["--suite", "object", "--concepts", "bird"],
    "person": ["--suite", "celebrity", "--concepts", "Dennis Stensley,Zane Langridge"],
    "style": ["--suite", "style", "--concepts", "Dragan Tolski,Moruska Ostmann"],
    "explicit": ["--suite", "explicit"],
}
"""The suite of each kind, and what is erased there: two names where names are erased together."""

SAMPLING = ["--limit", "3", "--steps", "4", "--batch-size", "12", "--baselines", "none"]

ESD_RECIPES = ("as-released", "diffusers-2024", "newer")
RECIPES: Mapping[str, tuple[str, ...]] = {
    "ca": ("as-released",),
    "esd-u": ESD_RECIPES,
    "esd-x": ESD_RECIPES,
    "esd-x-strict": ESD_RECIPES,
    "fmn": ("inverted",),
    "mace": ("as-released",),
    "rece": ("as-released",),
    "salun": ("as-released",),
    "sld-max": ("as-released",),
    "sld-medium": ("as-released",),
    "sld-strong": ("as-released",),
    "sld-weak": ("as-released",),
    "spm": ("as-released",),
    "uce": ("older", "newer"),
}
"""Recipes besides the default, of every kind; and of objects alone:"""
OBJECT_RECIPES: Mapping[str, tuple[str, ...]] = {
    "mace": ("as-released-ship", "as-released-bird"),
    "rece": ("hard-objects",),
}

TRAINED: Mapping[str, object] = {"steps": 2, "batch_size": 2}
GENERATED = {**TRAINED, "n_images": 2}
POOLED = {**TRAINED, "ddim_steps": 4, "pooled_runs": 2}
SETTINGS: Mapping[str, Mapping[str, object]] = {
    "ca": GENERATED,
    "esd-u": POOLED,
    "esd-x": POOLED,
    "esd-x-strict": POOLED,
    "fmn": GENERATED,
    "mace": {"steps": 2, "n_images": 2, "prompts_per_concept": 2, "domain_prompts": 2, "prior_captions": 20},
    "salun": GENERATED,
    "spm": POOLED,
}
"""Settings that make a job small; all others are the recipe's."""
NOT_POOLED = {"pooled_runs": 0}
SHORT_WARM_UP = {"warmup_share": 0.02}
OTHER_RECIPES_SETTINGS: Mapping[str, Mapping[str, object]] = {
    "esd-u": NOT_POOLED,
    "esd-x": NOT_POOLED,
    "esd-x-strict": NOT_POOLED,
    "fmn": {"inversion_steps": 2},
    "sld-medium": SHORT_WARM_UP,
    "sld-strong": SHORT_WARM_UP,
    "sld-weak": SHORT_WARM_UP,
    "spm": NOT_POOLED,
}
"""What a recipe other than the default has besides.

Runs are not pooled, but made for each step, as published; SLD's guidance begins at the second of the few steps.
"""

NOT_JUDGED = {"row", "group", "concept", "prompt", "seed", "key", "seconds", "peak_memory_bytes"}
"""Columns of the tables that a run leaves which are no judge's."""
WORDS: Mapping[str, str] = {}
"""Words of judgements that were renamed: what a word was called in the file that this one is compared with."""
METRIC = ("value", "low", "high")
PARTS = ("erasure", "images", "judgements", "metrics")


class Job(NamedTuple):
    """One method erasing one kind by one recipe."""

    method: str
    kind: str
    recipe: str

    @property
    def name(self) -> str:
        """What the job is called in the file."""
        return " / ".join(self)


def all_jobs() -> list[Job]:
    """Every registered method, each once whatever its aliases, on every kind that it erases, by each recipe."""
    methods = {point.load().name: point.load() for point in entry_points(group="erasebench.methods")}
    return [
        Job(name, kind, recipe)
        for kind in KINDS
        for name, method in sorted(methods.items())
        if kind in method.kinds
        for recipe in ("default", *RECIPES.get(name, ()), *(OBJECT_RECIPES.get(name, ()) if kind == "object" else ()))
    ]


def settings_of(job: Job, checkpoint: Path) -> dict[str, object]:
    """What a job is given by --set."""
    settings = dict(SETTINGS.get(job.method, {}))
    if job.method == "checkpoint":
        settings["path"] = checkpoint
    if job.recipe != "default":
        settings |= OTHER_RECIPES_SETTINGS.get(job.method, {})
    return settings


def write_checkpoint(file: Path) -> None:
    """Somebody's weights: the miniature's own, doubled in one projection of values."""
    from safetensors.torch import save_file

    import erasebench

    parameters = erasebench.load_world("miniature").pipeline().unet.named_parameters()
    name, value = next((name, value) for name, value in parameters if name.endswith("attn2.to_v.weight"))
    save_file({name: value.detach() * 2}, file)


def run(job: Job, folder: Path, checkpoint: Path) -> None:
    """Run the job in this process, as `python -m erasebench` would. RuntimeError with all it said where it failed."""
    given = [f"--set={job.method}.{field}={value}" for field, value in settings_of(job, checkpoint).items()]
    where = ["--runs-folder", str(folder / "runs"), "--out", str(folder / "out")]
    wanted = ["--method", job.method, *KINDS[job.kind], "--recipe", job.recipe]
    said, arguments = io.StringIO(), sys.argv
    sys.argv = ["erasebench", "run", *wanted, *SAMPLING, *given, *where, "-q"]
    try:
        with redirect_stdout(said), redirect_stderr(said):
            runpy.run_module("erasebench", run_name="__main__", alter_sys=True)
        code: object = None
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = arguments
    if code:
        raise RuntimeError(f"exit code {code}\n{said.getvalue()}")


def digest(lines: Iterable[str]) -> str:
    """SHA-256 of lines, in their order; half of it is distinct enough, and can be read."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def only(paths: Iterable[Path]) -> Path:
    """The one path of `paths`. RuntimeError where a job left none or several."""
    found = sorted(paths)
    if len(found) != 1:
        raise RuntimeError(f"one file was expected, not {[path.name for path in found]}")
    return found[0]


def erasure_digest(folder: Path) -> dict[str, Any]:
    """Of every tensor of the erasure, those of a change of sampling with them: name, dtype, shape and bytes.

    A change of sampling has settings too, which its images show where no tensor does.
    """
    from safetensors.numpy import load_file

    file = only(folder.glob("runs/**/erasure.safetensors"))
    lines = [
        f"{name} {tensor.dtype} {tensor.shape} {hashlib.sha256(tensor.tobytes()).hexdigest()}"
        for name, tensor in sorted(load_file(file).items())
    ]
    change = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))["sampling"]
    settings = json.dumps(change and change["settings"], sort_keys=True)
    return {"tensors": len(lines), "settings": digest([settings]), "digest": digest(lines)}


def images_digest(folder: Path) -> dict[str, Any]:
    """Of every image's pixels, by prompt and seed."""
    import numpy as np
    import pandas as pd
    from PIL import Image

    table = only(folder.glob("runs/**/finished/*.csv"))
    lines = []
    for row in pd.read_csv(table).itertuples():
        with Image.open(table.parent / str(row.file)) as image:
            pixels = np.asarray(image)
        seen = f"{pixels.dtype} {pixels.shape} {hashlib.sha256(pixels.tobytes()).hexdigest()}"
        lines.append(f"{row.prompt} {row.seed} {seen}")
    return {"images": len(lines), "digest": digest(sorted(lines))}


def judgement_digests(folder: Path) -> dict[str, str]:
    """Of each column that a judge wrote, its values: with prompt and seed in the finished table, and as each stored."""
    import pandas as pd

    finished = only(folder.glob("runs/**/finished/*.parquet"))
    found = {f"finished: {name}": value for name, value in column_digests(pd.read_parquet(finished)).items()}
    for judge in sorted({path.parent for path in folder.glob("runs/**/judgements/*/*.parquet")}):
        rows = pd.concat([pd.read_parquet(path) for path in judge.glob("*.parquet")], ignore_index=True)
        name = judge.name.rpartition("-")[0]
        found |= {f"{name}: {column}": value for column, value in column_digests(rows).items()}
    return found


def column_digests(frame: Any) -> dict[str, str]:
    """The digest of each judged column of a pandas frame; the order of rows does not count, nor what has no value."""
    specs = frame[["prompt", "seed"]].astype(str).agg(" ".join, axis=1) if "prompt" in frame else [""] * len(frame)
    found = {}
    for name in frame.columns:
        if name not in NOT_JUDGED:
            values = map(canonical, frame[name])
            found[name] = digest(sorted(f"{spec} {value}" for spec, value in zip(specs, values, strict=True) if value))
    return found


def canonical(value: Any) -> str:
    """A judged value as text, the same whatever type holds it; '' where there is none."""
    import numpy as np
    import pandas as pd

    if isinstance(value, np.ndarray | list | tuple):
        return f"[{' '.join(canonical(each) for each in value)}]"
    if pd.isna(value):
        return ""
    if isinstance(value, str):
        return WORDS.get(value, value)
    return repr(float(value))


def metrics(folder: Path) -> dict[str, list[str]]:
    """Value, low and high of each metric of the record, by the metric's name."""
    record = json.loads(only(folder.glob("out/results/*.json")).read_text(encoding="utf-8"))
    return dict(metrics_in(record, ""))


def metrics_in(node: Any, name: str) -> Iterator[tuple[str, list[str]]]:
    """Whatever holds a value with its interval, wherever the record has it."""
    if isinstance(node, dict) and set(METRIC) <= node.keys():
        yield str(node.get("name", name)), [repr(node[key]) for key in METRIC]
    elif isinstance(node, dict):
        for key, child in node.items():
            yield from metrics_in(child, key)
    elif isinstance(node, list):
        for child in node:
            yield from metrics_in(child, name)


def measured(job: Job, checkpoint: Path) -> dict[str, Any]:
    """Everything that is compared of a job, which is run for it."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        run(job, folder, checkpoint)
        found = {
            "erasure": erasure_digest(folder),
            "images": images_digest(folder),
            "judgements": judgement_digests(folder),
            "metrics": metrics(folder),
        }
    if empty := [part for part, content in found.items() if not content]:
        raise RuntimeError(f"nothing was found of: {', '.join(empty)}")
    return {**found, "seconds": round(time.monotonic() - started, 1)}


def machine() -> dict[str, str]:
    """What last digits depend on besides the code."""
    import torch

    packages = {name: version(name) for name in ("torch", "diffusers", "transformers", "numpy", "scipy", "pillow")}
    capability = torch.backends.cpu.get_cpu_capability()
    return {"cpu": capability, "threads": str(torch.get_num_threads()), "python": sys.version.split()[0], **packages}


def write(file: Path, content: object) -> None:
    """Write JSON so that a kill leaves the old file or the new one."""
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(file)


def read(file: Path, methods: set[str] | None = None) -> dict[str, Any]:
    """What a file holds, of `methods` alone (None: of all)."""
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    jobs = {name: job for name, job in content["jobs"].items() if methods is None or name.split(" / ")[0] in methods}
    return {**content, "jobs": jobs}


def fill(file: Path, methods: set[str] | None) -> int:
    """Run the jobs of `methods` (None: of all) that `file` lacks; how many failed."""
    here = machine()
    content: dict[str, Any] = {"machine": here, "jobs": {}}
    if file.exists():
        content = read(file)
    if content["machine"] != here:
        raise SystemExit(f"{file} was begun on another machine: {content['machine']}; here: {here}")
    wanted = [job for job in all_jobs() if methods is None or job.method in methods]
    todo = [job for job in wanted if job.name not in content["jobs"]]
    failed = 0
    with tempfile.TemporaryDirectory() as place:
        checkpoint = Path(place) / "edit.safetensors"
        if any(job.method == "checkpoint" for job in todo):
            write_checkpoint(checkpoint)
        for number, job in enumerate(todo, start=1):
            try:
                found = measured(job, checkpoint)
            except RuntimeError as error:
                failed += 1
                print(f"{number}/{len(todo)} {job.name}: FAILED, {error}", flush=True)
                continue
            content["jobs"][job.name] = found
            write(file, content)
            print(f"{number}/{len(todo)} {job.name}: {found['seconds']} s", flush=True)
    print(f"{file}: {len(content['jobs'])} jobs, {failed} failed")
    return failed


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The names whose values differ; a renamed one is the same where its value is found under a new name."""
    changed = [name for name in before if name in after and before[name] != after[name]]
    gone = Counter(repr(value) for name, value in before.items() if name not in after)
    come = Counter(repr(value) for name, value in after.items() if name not in before)
    lost = [name for name, value in before.items() if name not in after and repr(value) in gone - come]
    new = [name for name, value in after.items() if name not in before and repr(value) in come - gone]
    return [*changed, *(f"{name} (only before)" for name in lost), *(f"{name} (only after)" for name in new)]


def compared(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, list[str]]:
    """What differs of one job, by part; nothing where all is the same."""
    if before is None or after is None:
        return {"only before" if after is None else "only after": ["the whole job"]}
    return {part: names for part in PARTS if (names := differing(before[part], after[part]))}


def report(before: Mapping[str, Any], after: Mapping[str, Any]) -> int:
    """Print a table of what is the same, and every difference; how many jobs differ."""
    names = dict.fromkeys((*before["jobs"], *after["jobs"]))
    found = {Job(*name.split(" / ")): compared(before["jobs"].get(name), after["jobs"].get(name)) for name in names}
    print(f"| method | recipe | {' | '.join(KINDS)} |\n|---|---|{'---|' * len(KINDS)}")
    for method, recipe in sorted({(job.method, job.recipe) for job in found}, key=lambda row: (row[0], row[1])):
        cells = [found.get(Job(method, kind, recipe)) for kind in KINDS]
        said = ["" if cell is None else ", ".join(cell) or "same" for cell in cells]
        print(f"| {method} | {recipe} | {' | '.join(said)} |")
    unlike = {job: cell for job, cell in found.items() if cell}
    print(f"\n{len(found)} jobs, {len(unlike)} of them not the same. 'same': {', '.join(PARTS)} equal to the bit.")
    for job, cell in unlike.items():
        for part, what in cell.items():
            print(f"{job.name}: {part}: {', '.join(what)}")
    if before["machine"] != after["machine"]:
        print(f"The machines differ, and with them last digits: {before['machine']}, {after['machine']}")
    return len(unlike)


def main() -> int:
    """The command line; 1 where a job failed or anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="run the jobs that this file lacks")
    parser.add_argument("--only", metavar="METHOD,...", help="these methods alone")
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("A.json", "B.json"))
    given = parser.parse_args()
    if (given.out is None) == (given.compare is None):
        parser.error("give either --out or --compare")
    methods = None if given.only is None else set(given.only.split(","))
    if given.compare:
        before, after = (read(file, methods) for file in given.compare)
        return int(report(before, after) > 0)
    # Before torch is imported: sums over several threads have other last digits.
    os.environ["OMP_NUM_THREADS"] = "1"
    return int(fill(given.out, methods) > 0)


if __name__ == "__main__":
    sys.exit(main())
