"""Score a folder: every judge that was asked for, a table of metrics, counts of what could not be scored, a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erasebench.api.judges import MEASURES, metrics_of, open_judge, package_judges
from erasebench.errors import UserError, did_you_mean
from erasebench.files.atomic import atomic_write, write_json
from erasebench.files.csv_cells import safe_cell

if TYPE_CHECKING:
    import pandas as pd

    from erasebench.api.judge import Judge
    from erasebench.api.judge_metrics import Metrics
    from erasebench.api.value import MetricValue
    from erasebench.api.world import World
    from erasebench.scoring.folder import Listing
    from erasebench.scoring.matching import Entry

FORMATS = (".csv", ".json", ".parquet")


@dataclass(frozen=True)
class Report:
    """What a folder's images were worth. `metrics` by judge, group and name; `rows` by judge, one for each entry.

    `notes`: lines about what could not be matched or named for certain.
    """

    listing: Listing
    metrics: Mapping[str, Mapping[str, Mapping[str, MetricValue]]]
    rows: Mapping[str, pd.DataFrame]
    identities: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...] = ()

    @property
    def scored(self) -> bool:
        """Whether any judge scored any image."""
        from erasebench.api.judge import SCORED

        return any((rows["outcome"] == SCORED).any() for rows in self.rows.values())

    def to_frame(self) -> pd.DataFrame:
        """One row a judge, group and metric; see `erasebench.results.frames.metrics_frame` for units."""
        from erasebench.results.frames import metrics_frame

        return metrics_frame(self.metrics)

    def _repr_html_(self) -> str:
        from erasebench.results.frames import as_html

        return as_html(self.to_frame())

    def outcomes(self, judge: str) -> Counter[str]:
        """How many entries had which outcome."""
        return Counter(map(str, self.rows[judge]["outcome"]))

    def per_image(self, *, features: bool) -> pd.DataFrame:
        """One row per entry: file, group, concept, prompt, seed, and every judge's columns as '<judge>.<column>'."""
        import pandas as pd

        shared = ["file", "group", "prompt", "seed", "converted"]
        parts = [next(iter(self.rows.values()))[shared]]
        for judge, rows in self.rows.items():
            own = [name for name in rows.columns if name not in (*shared, "cluster")]
            own = [name for name in own if features or name != "features"]
            parts.append(rows[own].add_prefix(f"{judge}."))
        return pd.concat(parts, axis=1)

    def write(self, path: Path) -> None:
        """As .csv or .parquet: a row per image; as .json: metrics, judges' identities and images. Features: parquet.

        In .csv, text that a spreadsheet would run as a formula has an apostrophe in front (erasebench.files.csv_cells).
        """
        frame = self.per_image(features=path.suffix == ".parquet")
        if path.suffix == ".json":
            images = frame.astype(object).where(frame.notna(), None).to_dict(orient="records")
            write_json(path, {"metrics": self._plain_metrics(), "judges": self.identities, "images": images})
            return
        with atomic_write(path) as temporary:
            if path.suffix == ".parquet":
                frame.to_parquet(temporary)
            else:
                frame.map(safe_cell).to_csv(temporary, index=False)

    def _plain_metrics(self) -> dict[str, Any]:
        return {
            judge: {
                group: {name: metric.model_dump(mode="json") for name, metric in named.items()}
                for group, named in groups.items()
            }
            for judge, groups in self.metrics.items()
        }


def check_request(judges: Sequence[str], out: Path | None) -> None:
    """UserError for a judge that there is not, or a file of another kind; loads nothing."""
    known = (*MEASURES, *(name for name in package_judges() if name not in MEASURES))
    for name in judges:
        if name not in known:
            raise UserError(f"There is no judge '{name}'.", did_you_mean(name, known))
    if out is not None and out.suffix not in FORMATS:
        raise UserError(f"--out {out}: the format is not known.", f"Give a name that ends in {', '.join(FORMATS)}.")


def score_folder(
    folder: Path,
    judges: Sequence[str],
    world: World,
    *,
    prompts: Path | None = None,
    device: str = "cpu",
    convert: bool = False,
) -> Report:
    """Every judge of `judges` (names of MEASURES, or of a judge that a package brings) on the images below `folder`.

    `prompts`: the images' prompt table; None: the folder's own images.csv, or what the images' names tell.
    UserError before any judge looks at anything: no images, a broken prompt table, a judge whose weights are missing.
    """
    check_request(judges, None)
    for name in judges:
        if (trouble := world.missing(MEASURES.get(name, name))) is not None:
            raise trouble
    from erasebench.scoring.folder import list_images
    from erasebench.scoring.listing import LISTING
    from erasebench.scoring.matching import Matched, by_names, by_table

    listing = list_images(folder)
    if prompts is None and (folder / LISTING).is_file():
        prompts = folder / LISTING
    matched = Matched(by_names(listing), []) if prompts is None else by_table(listing, prompts, folder)
    from erasebench.judges.unknown_names import warn_of_unknown
    from erasebench.scoring.concepts import concepts_of
    from erasebench.scoring.judging import judged

    opened = {name: open_judge(MEASURES.get(name, name), world, device) for name in dict.fromkeys(judges)}
    for judge in opened.values():
        _check_references(judge)
    rows, metrics, notes = {}, {}, list(matched.notes)
    for name, judge in opened.items():
        if world.stands_in(judge.name):
            notes.append(f"{name}: the judge is a stand-in, so its values are no results.")
        about = concepts_of(judge, matched.entries, world)
        warn_of_unknown(judge, about.concepts, name)
        if about.without:
            notes.append(
                f"{name}: {about.without} images have a prompt that names no {about.sought}: no accuracy counts them."
            )
        own = metrics_of(judge.name, judge)
        needs_prompt = own is not None and own.needs_prompt
        rows[name] = judged(judge, matched.entries, about.concepts, needs_prompt=needs_prompt, convert=convert)
        groups = _groups(rows[name], matched.entries)
        metrics[name] = {} if own is None else {group: _metrics(own, judge, part) for group, part in groups}
    identities = {name: judge.identity() for name, judge in opened.items()}
    return Report(listing, metrics, rows, identities, tuple(notes))


def _metrics(metrics: Metrics, judge: Judge, rows: pd.DataFrame) -> dict[str, MetricValue]:
    """The metrics of one group of images as one judge saw them, by the same rules and intervals as a suite's."""
    reference = metrics.reference(judge, rows)
    return metrics.of_images(rows) | ({} if reference is None else metrics.against(rows, reference))


def _check_references(judge: Judge) -> None:
    """UserError for reference images that cannot be read, before anything is judged."""
    from erasebench.judges.fid import FidJudge
    from erasebench.judges.references import FolderReferences

    if isinstance(judge, FidJudge) and isinstance(judge.references, FolderReferences):
        judge.references.check()


def _groups(rows: pd.DataFrame, entries: Sequence[Entry]) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each group; an image that is left alone is in none."""
    placed = rows[[not entry.fault for entry in entries]]
    return [(str(group), placed[placed["group"] == group]) for group in dict.fromkeys(placed["group"])]
