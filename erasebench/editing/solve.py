"""The one solve behind every closed form: X S = R with S symmetric, one factorisation for all right-hand sides."""

from __future__ import annotations

import torch
from torch import Tensor

from erasebench.editing.gram import EditSums
from erasebench.errors import UserError

# In float64 a condition number of 1e12 leaves four correct digits, as many as a weight stored in float16 can use.
CONDITION_LIMIT = 1e12


class Factor:
    """Factorised symmetric system S [d, d] in float64, with its 2-norm condition number."""

    def __init__(self, system: Tensor, *, what: str, hint: str, allow_ill_conditioned: bool = False) -> None:
        """Factorise S = L L^T.

        UserError(`what` and the condition number, `hint`) if that number exceeds CONDITION_LIMIT, unless
        `allow_ill_conditioned`: a system that is then numerically singular gets its pseudo-inverse. UserError also for
        entries that are not finite.
        """
        if not torch.isfinite(system).all():
            raise UserError(
                f"{what} has entries that are not finite.", "Check the text encoder's weights, and load it in float32."
            )
        system = (system + system.T) / 2
        eigenvalues = torch.linalg.eigvalsh(system)
        smallest, largest = float(eigenvalues[0]), float(eigenvalues[-1])
        self.condition = largest / smallest if smallest > 0 else float("inf")
        if self.condition > CONDITION_LIMIT and not allow_ill_conditioned:
            raise UserError(f"{what} is ill-conditioned: condition number {self.condition:.1e}.", hint)
        # Beyond 1 / (d eps) the smallest eigenvalues are rounding, and Cholesky would divide by them.
        singular = self.condition > 1 / (len(system) * torch.finfo(torch.float64).eps)
        self._cholesky = None if singular else torch.linalg.cholesky(system)
        self._inverse = torch.linalg.pinv(system, hermitian=True) if singular else None

    def right_solve(self, right: Tensor) -> Tensor:
        """X = R S^-1 for `right` R [n, d], in float64."""
        if self._cholesky is not None:
            solution: Tensor = torch.cholesky_solve(right.double().T, self._cholesky).T
            return solution
        assert self._inverse is not None
        return right.double() @ self._inverse


def transfer_matrix(
    sums: EditSums, *, what: str, hint: str, allow_ill_conditioned: bool = False
) -> tuple[Tensor, float]:
    """The matrix T [d, d] with W' = W T for every projection W, and the condition number of the solve behind it."""
    factor = Factor(sums.system, what=what, hint=hint, allow_ill_conditioned=allow_ill_conditioned)
    return factor.right_solve(sums.target), factor.condition
