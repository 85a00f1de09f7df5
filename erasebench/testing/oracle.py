"""Numbers that an official code gave on small inputs, and the comparison of a method's own functions with them.

    import pytest
    from erasebench.testing import oracle

    @pytest.mark.parametrize("case", oracle.cases("oracles/mine"), ids=str)
    def test_the_edit_is_the_releases(case: oracle.Case) -> None:
        edited = edit(case["W_0"], case["states"])
        case.check({"W_new": edited}, tolerance=1e-10, of=case["W_new"] - case["W_0"])

A case is one .npz file of arrays named by the formula's symbols. ERASEBENCH_ORACLES=FOLDER takes the cases of
FOLDER/mine instead, so that the same tests run over inputs that their author has not seen.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from erasebench.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

FOLDER_VARIABLE = "ERASEBENCH_ORACLES"
# numpy's letters for truth values, integers, floats and strings.
DTYPES = "biufU"
log = logging.getLogger(__name__)


class Case:
    """One file of arrays: what a function is given, and what it is to answer."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.item, self.name = file.parent.name, file.stem

    def __str__(self) -> str:
        return self.name

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        try:
            with np.load(self.file, allow_pickle=False) as stored:
                arrays = {symbol: stored[symbol] for symbol in stored.files}
        # numpy's for Python objects, and for a file that is no .npz.
        except (ValueError, BadZipFile) as error:
            raise UserError(f"{self.file} cannot be read: {error}", "Store named arrays with numpy.savez.") from error
        if other := [symbol for symbol, array in arrays.items() if array.dtype.kind not in DTYPES]:
            raise UserError(
                f"{self.file}: '{other[0]}' is of dtype {arrays[other[0]].dtype}.", "Store numbers or strings."
            )
        return arrays

    @property
    def symbols(self) -> tuple[str, ...]:
        """The names of the arrays, as the file lists them."""
        return tuple(self._arrays)

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._arrays

    def __getitem__(self, symbol: str) -> Any:
        """A tensor of the stored dtype; a plain number where it has no dimension; a list of strings where it has those.

        UserError for a symbol that the case does not have.
        """
        import torch

        if symbol not in self._arrays:
            raise UserError(
                f"{self.item}/{self.name} has no array '{symbol}'.", f"It has {', '.join(sorted(self._arrays))}."
            )
        array = self._arrays[symbol]
        if array.dtype.kind == "U" or array.ndim == 0:
            return array.tolist()
        return torch.from_numpy(array.copy())

    def check(
        self,
        computed: Mapping[str, Tensor | float | Sequence[str]],
        *,
        tolerance: float,
        of: Tensor | float | None = None,
    ) -> float:
        """Compare `computed` with the case's arrays of the same symbols, in the given order; the largest difference.

        A difference is |ours - theirs| / |of| (Frobenius norm; `of` is theirs unless given). AssertionError at the
        first symbol whose shape differs, that is not finite, or that is further off than `tolerance` (0: equal in every
        element): give intermediate values first, and the message names the first step that differs. Strings are equal
        or not, whatever the tolerance. UserError where nothing is compared.
        """
        if not computed:
            raise UserError(f"Nothing is compared with {self.item}/{self.name}.", "Give check at least one symbol.")
        differences = {symbol: self._difference(symbol, value, tolerance, of) for symbol, value in computed.items()}
        for symbol, difference in differences.items():
            log.info("%s/%s %s %.3g", self.item, self.name, symbol, difference)
        return max(differences.values())

    def _difference(
        self, symbol: str, value: Tensor | float | Sequence[str], tolerance: float, of: Tensor | float | None
    ) -> float:
        import torch

        named = f"{self.item}/{self.name}: {symbol}"
        theirs = self[symbol]
        if self._arrays[symbol].dtype.kind == "U":
            return _equal_strings(named, value, theirs)
        if isinstance(value, str) or (isinstance(value, Sequence) and any(isinstance(each, str) for each in value)):
            raise AssertionError(f"{named} contains strings, but the official code's contains numbers.")
        # Of a Python float, as_tensor alone makes a float32.
        here = torch.as_tensor(value, dtype=torch.float64).detach().cpu()
        there = torch.as_tensor(theirs, dtype=torch.float64)
        if here.shape != there.shape:
            raise AssertionError(
                f"{named} has shape {list(here.shape)}, but the official code's has {list(there.shape)}."
            )
        if not here.isfinite().all():
            raise AssertionError(f"{named} is not finite.")
        scale = float((there if of is None else torch.as_tensor(of, dtype=torch.float64)).norm())
        off = (here - there).abs()
        difference = float(off.norm()) / (scale or 1.0)
        if not difference <= tolerance or (tolerance == 0 and bool(off.any())):
            worst = np.unravel_index(int(off.argmax()), tuple(off.shape)) if off.ndim else ()
            where = f" at {[int(i) for i in worst]}" if off.ndim else ""
            raise AssertionError(
                f"{named} differs by {difference:.2e} (tolerance {tolerance:.0e}); most{where}: "
                f"{float(here[worst]):.9g} here, {float(there[worst]):.9g} in the official code."
            )
        return difference


def _equal_strings(named: str, value: Tensor | float | Sequence[str], theirs: str | list[str]) -> float:
    """0, the difference of equal strings; else AssertionError with the first that differs."""
    if not isinstance(value, Sequence):
        raise AssertionError(f"{named} contains numbers, but the official code's contains strings.")
    here, there = ([strings] if isinstance(strings, str) else strings for strings in (value, theirs))
    for place, (one, other) in enumerate(zip_longest(here, there)):
        if one != other:
            raise AssertionError(f"{named} differs at [{place}]: {one!r} here, {other!r} in the official code.")
    return 0.0


def cases(folder: str | Path) -> list[Case]:
    """The cases of `folder`, by name; or of $ERASEBENCH_ORACLES/<the folder's own name> where that variable is set.

    UserError where `folder` has none, or the variable names no folder of such folders. Another set may lack an item.
    """
    folder = Path(folder)
    elsewhere = os.environ.get(FOLDER_VARIABLE)
    if elsewhere and not any(Path(elsewhere).glob("*/*.npz")):
        wrong = "contains no item/case.npz" if Path(elsewhere).is_dir() else "is not a folder"
        raise UserError(f"{FOLDER_VARIABLE}={elsewhere} {wrong}.", "Give a folder that contains item/case.npz.")
    files = sorted((Path(elsewhere) / folder.name if elsewhere else folder).glob("*.npz"))
    if not files and not elsewhere:
        raise UserError(f"{folder} contains no cases.", "Put one .npz of named arrays there for each case.")
    return [Case(file) for file in files]


def by_kind(found: Sequence[Case], kinds: Mapping[str, Callable[[Case], bool]]) -> dict[str, list[Case]]:
    """The cases of each kind. UserError for a case of no kind or of two: every case has exactly one test."""
    sorted_cases: dict[str, list[Case]] = {kind: [] for kind in kinds}
    for case in found:
        own = [kind for kind, belongs in kinds.items() if belongs(case)]
        if len(own) != 1:
            raise UserError(
                f"{case.file} is of {len(own)} kinds ({', '.join(own) or 'none'}).",
                f"Each case belongs to exactly one of {', '.join(kinds)}.",
            )
        sorted_cases[own[0]].append(case)
    return sorted_cases
