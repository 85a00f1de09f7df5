"""Which rows of a table an image's own name fits, by the most exact reading that fits any."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple

from erasebench.prompts import PromptRow
from erasebench.scoring.folder import NamedImage
from erasebench.scoring.spelling import composed, letters, words

CUT = 40
"""Characters from which a prompt in a name may be the beginning of a longer one (samplers cut at 50 to 150)."""


class Exactness(IntEnum):
    """How an image was matched to a row, the most exact first."""

    LISTED = 0
    """By a listing of files: the table's own column, or the folder's images.csv."""
    NAMED = 1
    """`{prompt}_{seed}`, character by character."""
    SPELT = 2
    """The same by letters and digits."""
    CUT_SHORT = 3
    """The beginning of the prompt, and the seed."""
    PROMPT = 4
    """The prompt, or its beginning, without a seed."""
    NUMBER = 5
    """The whole name is the row's number."""
    NUMBERED = 6
    """`{number}_{...}`: one of several images of a row."""


class Reading(NamedTuple):
    """The rows that one reading of a name fits; `doubt`: why even a single row is not certain."""

    level: Exactness
    rows: list[int]
    doubt: str = ""


class Names:
    """The rows of a table by everything that an image may be named by."""

    def __init__(self, rows: Sequence[PromptRow], numbers: Sequence[int], *, declared: bool) -> None:
        """`numbers`: the number of each row; `declared`: whether the table gives them (else they are places)."""
        self.rows = rows
        self.declared = declared
        self._exact: dict[tuple[str, int | None], list[int]] = defaultdict(list)
        self._spelt: dict[tuple[str, int | None], list[int]] = defaultdict(list)
        self._numbers: dict[int, list[int]] = defaultdict(list)
        for at, row in enumerate(rows):
            for seed in (row.seed, None):
                self._exact[composed(row.prompt), seed].append(at)
                self._spelt[letters(row.prompt), seed].append(at)
            self._numbers[numbers[at]].append(at)
        self._sorted = sorted({key for key, _ in self._spelt if key})

    def by_prompt(self, image: NamedImage) -> Reading | None:
        """The rows whose prompt (and seed, where it is there) the name gives; None where there are none."""
        if not image.utf8:
            return None
        stem = composed(image.path.stem)
        if image.prompt is not None:
            exact = self._exact.get((image.prompt, image.seed))
            if exact:
                return Reading(Exactness.NAMED, self._first_of_equals(exact))
            if spelt := self._spelt.get((letters(image.prompt), image.seed)) if letters(image.prompt) else None:
                return Reading(Exactness.SPELT, self._first_of_equals(spelt))
            if cut := [at for at in self._beginning(image.prompt) if self.rows[at].seed == image.seed]:
                return Reading(Exactness.CUT_SHORT, self._first_of_equals(cut))
        elif image.number is not None:
            # `3_5`: the fifth image of row 3, unless there is a row whose prompt is '3' and whose seed is 5.
            prompt, _, seed = stem.rpartition("_")
            exact = self._exact.get((prompt, int(seed)), []) if prompt and seed.isdecimal() else []
            return Reading(Exactness.NAMED, self._first_of_equals(exact)) if exact else None
        alone = self._exact.get((stem, None)) or (self._spelt.get((letters(stem), None)) if letters(stem) else None)
        if alone := alone or self._beginning(stem):
            return Reading(Exactness.PROMPT, self._first_of_equals(alone))
        return None

    def by_number(self, image: NamedImage, numbers_seen: Iterable[int]) -> Reading | None:
        """The rows whose number the name gives; None where there are none. `numbers_seen`: of all images so named.

        Several rows: those of one number, or where the table numbers its rows and the images may as well be numbered
        by their place in it. In doubt: images numbered from 1, and a number before another prompt than the row's.
        """
        if image.number is None:
            return None
        level = Exactness.NUMBER if image.rest is None else Exactness.NUMBERED
        found = set(self._numbers.get(image.number, ()))
        if image.number < len(self.rows) and self._may_be_places(level, numbers_seen):
            found.add(image.number)
        if not found:
            return None
        rows = sorted(found)
        if self.counted_from_one(numbers_seen):
            return Reading(level, rows, "the images are numbered from 1, the rows from 0")
        if level is Exactness.NUMBERED and len(rows) == 1 and self._contradicts(image, rows[0]):
            return Reading(level, rows, "what follows the number is not that row's prompt")
        return Reading(level, rows)

    def counted_from_one(self, numbers_seen: Iterable[int]) -> bool:
        """Whether images of a table without numbers of its own are numbered 1..n, and not 0..n-1 as its rows."""
        seen = set(numbers_seen)
        return not self.declared and len(self.rows) in seen and 0 not in seen and max(seen) == len(self.rows)

    def _may_be_places(self, level: Exactness, numbers_seen: Iterable[int]) -> bool:
        """Whether images may be numbered by their row's place though the table gives its rows other numbers.

        Not where any number is beyond the last place. Samplers that write `{case_number}_{n}` read that column, so
        there the places count only where the table's numbers leave an image out.
        """
        seen = set(numbers_seen)
        if not self.declared or max(seen, default=0) >= len(self.rows):
            return False
        return level is Exactness.NUMBER or not seen <= set(self._numbers)

    def _contradicts(self, image: NamedImage, at: int) -> bool:
        """Whether what follows the number is a prompt, and not this row's. One word may be a mark ('0_edited')."""
        said = words(image.rest or "")
        row = self.rows[at]
        known = Counter(words(f"{row.prompt} {row.concept}"))
        return (
            len(said) > 1 and not set(said) <= set(known) and not letters(row.prompt).startswith(letters("".join(said)))
        )

    def _beginning(self, text: str) -> list[int]:
        """The rows whose prompt is longer than `text` and begins with it."""
        key = letters(text)
        if len(text) < CUT or not key:
            return []
        found = []
        for at in range(bisect_left(self._sorted, key), len(self._sorted)):
            if not self._sorted[at].startswith(key):
                break
            found += self._spelt[self._sorted[at], None]
        return sorted(found)

    def _first_of_equals(self, found: Sequence[int]) -> list[int]:
        """Rows that are equal in everything but their number ask for one image: the first of them stands for all."""
        return list({self.rows[at]._replace(row=0): at for at in reversed(found)}.values())[::-1]
