"""Which rows of a table an image's own name fits, by the most exact reading that fits any."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Sequence
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


class Numbering(NamedTuple):
    """Whether images are numbered from 1, and whether they may be numbered by their rows' places in the table.

    Not by places where any number is beyond the last. Samplers that write `{case_number}_{n}` read that column: for
    several images of a row, places come into question only where the table's numbers leave an image out.
    """

    from_one: bool
    places: bool
    places_of_several: bool


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
        if exact := self._exact.get((stem, None)):
            return Reading(Exactness.PROMPT, self._first_of_equals(exact))
        alone = self._spelt.get((letters(stem), None)) if letters(stem) else None
        if alone := alone or self._beginning(stem):
            # A prompt that ends in a number is spelt like another prompt with a seed.
            doubt = "" if image.seed is None else f"{image.seed} may be a seed, which is not that row's"
            return Reading(Exactness.PROMPT, self._first_of_equals(alone), doubt)
        return None

    def numbering(self, numbers: Collection[int], *, written: bool = True) -> Numbering:
        """How the images whose names give these numbers may be numbered; `written`: the table has a column of them."""
        seen = frozenset(numbers)
        last = max(seen, default=0)
        # Rows are 0..n-1. Images may be 1..n, and of those that a sampler left out the last may be one.
        from_one = not self.declared and bool(seen) and 0 not in seen and (last == len(self.rows) or not written)
        places = self.declared and last < len(self.rows)
        return Numbering(from_one, places, places and not seen <= self._numbers.keys())

    def by_number(self, image: NamedImage, numbering: Numbering) -> Reading | None:
        """The rows whose number the name gives; None where there are none.

        Several rows: those of one number, or where the images may as well be numbered by their row's place. In doubt:
        images numbered from 1, a number that only a place has, and a number before another prompt than the row's.
        """
        if image.number is None:
            return None
        level = Exactness.NUMBER if image.rest is None else Exactness.NUMBERED
        given = self._numbers.get(image.number, [])
        places = numbering.places if level is Exactness.NUMBER else numbering.places_of_several
        rows = sorted({*given, image.number} if places else given)
        if numbering.from_one:
            if level is Exactness.NUMBERED and given and self._repeats(image, given[0]):
                return Reading(level, given)
            either = [at for at in (image.number - 1, image.number) if at < len(self.rows)]
            doubt = "no image has the number 0, so the images may be numbered from 1 and the rows from 0"
            return Reading(level, either, doubt) if either else None
        if not rows:
            return None
        if not given:
            return Reading(level, rows, "the table's own numbers do not include this one")
        if level is Exactness.NUMBERED and len(rows) == 1 and self._contradicts(image, rows[0]):
            return Reading(level, rows, "the text after the number is not that row's prompt")
        return Reading(level, rows)

    def _repeats(self, image: NamedImage, at: int) -> bool:
        """Whether what follows the number is this row's whole prompt, and a seed at most, and no neighbour's."""
        seed = self.rows[at].seed
        said, near = letters(image.rest or ""), self.rows[max(0, at - 1)]
        own = {letters(self.rows[at].prompt), letters(f"{self.rows[at].prompt} {seed}")}
        return bool(said) and said in own and (at == 0 or letters(near.prompt) != letters(self.rows[at].prompt))

    def _contradicts(self, image: NamedImage, at: int) -> bool:
        """Whether what follows the number is a prompt, and not this row's. One word may be a mark ('0_edited')."""
        said = words(image.rest or "")
        row = self.rows[at]
        known = set(words(f"{row.prompt} {row.concept}"))
        begins = letters(row.prompt).startswith(letters("".join(said)))
        return len(said) > 1 and not set(said) <= known and not begins

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
