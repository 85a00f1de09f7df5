"""Judgements by the digest of everything that decides them, as parquet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from erasebench.cost import Cost
from erasebench.errors import UserError
from erasebench.files.sealed import sealed_write, whole
from erasebench.identity import digest

if TYPE_CHECKING:
    import pandas as pd

    from erasebench.api.judge import Judge


def row_keys(judge: Judge, parts: Sequence[Sequence[object]], rows: pd.DataFrame) -> list[str]:
    """The key of each row, from the parts that decide its judgement (its image and what it is about).

    Whether there is a reference for the row decides too, where the judge compares with one: what had none is judged
    anew once there is, and the other way round. `rows` are the prompt-table rows (prompt, seed).
    """
    references = getattr(judge, "references", None)
    paired = [True] * len(rows) if references is None else references.has(rows)
    kept = zip(parts, paired, strict=True)
    return [digest(list(part) if has else [*part, "no reference"])[:20] for part, has in kept]


class JudgementStore:
    """The rows of one judge with one identity: parquet files, each written once, found again by row key."""

    _KEY, _SECONDS, _PEAK = "key", "seconds", "peak_memory_bytes"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, keys: Sequence[str], rows: pd.DataFrame, cost: Cost) -> None:
        """Store the judged rows of `keys`, in order, and what judging them cost."""
        frame = rows.reset_index(drop=True)
        frame[self._KEY] = list(keys)
        frame[self._SECONDS] = cost.seconds / len(keys)
        frame[self._PEAK] = cost.peak_memory_bytes
        with sealed_write(self.folder / f"{digest(list(keys))[:16]}.parquet") as temporary:
            frame.to_parquet(temporary)

    def read(self) -> pd.DataFrame | None:
        """All rows, indexed by key; None where there are none yet.

        A damaged file is named, set aside and left out. UserError for one that this pandas cannot read.
        """
        import pandas as pd

        parts = []
        for path in filter(whole, sorted(self.folder.glob("[0-9a-f]*.parquet"))):
            try:
                parts.append(pd.read_parquet(path))
            except (OSError, ValueError) as error:
                what = f"{path} cannot be read ({error})."
                raise UserError(what, "Remove that file and run again: its rows are judged again.") from error
        return pd.concat(parts, ignore_index=True).drop_duplicates(self._KEY).set_index(self._KEY) if parts else None

    def of(self, keys: Sequence[str], index: Sequence[int]) -> tuple[pd.DataFrame, Cost]:
        """The rows of `keys` under `index`, and what judging them cost. KeyError where one was never judged."""
        frame = self.read()
        if frame is None:
            raise KeyError(keys[0])
        rows = frame.loc[list(keys)].set_axis(list(index), axis=0)
        peaks = rows[self._PEAK].dropna()
        cost = Cost(float(rows[self._SECONDS].sum()), None if peaks.empty else int(peaks.max()))
        return rows.drop(columns=[self._SECONDS, self._PEAK]), cost
