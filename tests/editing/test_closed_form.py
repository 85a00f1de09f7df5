"""The shared solve against brute force: least squares per matrix, and a plain loop over layers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from erasebench.editing.gram import EditSums, gram, streamed_gram
from erasebench.editing.solve import Factor, transfer_matrix
from erasebench.errors import UserError

D = 24
CPU = torch.device("cpu")


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def relative_error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def example() -> tuple[Tensor, Tensor, Tensor, float, float]:
    """x, y, prior states, p and l of one edit."""
    return random(40, D, seed=1), random(40, D, seed=2), random(100, D, seed=3), 0.3, 0.7


def solved(x: Tensor, y: Tensor, kept: Tensor, p: float, ridge: float) -> tuple[Tensor, float]:
    sums = EditSums(D, CPU)
    sums.map_to(x, y)
    sums.preserve(gram(kept), p)
    sums.ridge(ridge)
    return transfer_matrix(sums, what="the edit", hint="raise l")


def test_one_transfer_matrix_solves_every_layers_least_squares_problem() -> None:
    x, y, kept, p, ridge = example()
    transfer, _ = solved(x, y, kept, p, ridge)
    for seed, rows in enumerate((6, 24, 50)):
        weight = random(rows, D, seed=10 + seed)
        # min |W'x - Wy|^2 + p |W'c - Wc|^2 + l |W' - W|^2 as one stacked least-squares problem.
        inputs = torch.cat([x, p**0.5 * kept, ridge**0.5 * torch.eye(D, dtype=torch.float64)])
        outputs = torch.cat([y, p**0.5 * kept, ridge**0.5 * torch.eye(D, dtype=torch.float64)]) @ weight.T
        brute_force = torch.linalg.lstsq(inputs, outputs).solution.T
        assert relative_error(weight @ transfer, brute_force) < 1e-8


def test_it_equals_the_plain_sum_over_tokens_layer_by_layer() -> None:
    x, y, kept, p, ridge = example()
    transfer, _ = solved(x, y, kept, p, ridge)
    for rows in (6, 50):
        weight = random(rows, D, seed=rows)
        left = ridge * weight
        right = ridge * torch.eye(D, dtype=torch.float64)
        for x_i, y_i in zip(x, y, strict=True):
            left = left + torch.outer(weight @ y_i, x_i)
            right = right + torch.outer(x_i, x_i)
        for c in kept:
            left = left + p * torch.outer(weight @ c, c)
            right = right + p * torch.outer(c, c)
        assert relative_error(weight @ transfer, left @ torch.linalg.inv(right)) < 1e-8


def test_nothing_to_send_changes_nothing() -> None:
    sums = EditSums(D, CPU)
    sums.preserve(gram(random(100, D)), 2.0)
    sums.ridge(1.0)
    transfer, _ = transfer_matrix(sums, what="the edit", hint="raise l")
    torch.testing.assert_close(transfer, torch.eye(D, dtype=torch.float64))


def test_a_streamed_gram_is_the_whole_one_and_sums_in_float64() -> None:
    states = random(7, 5, D).float()
    streamed = streamed_gram(iter([states[:3], states[3:]]), D, CPU)
    assert streamed.dtype == torch.float64
    torch.testing.assert_close(streamed, gram(states), rtol=1e-14, atol=1e-12)


def test_the_condition_number_is_the_systems() -> None:
    basis, _ = torch.linalg.qr(random(D, D))
    system = basis @ torch.diag(torch.logspace(0, 6, D, dtype=torch.float64)) @ basis.T
    factor = Factor(system, what="it", hint="mend")
    assert factor.condition == pytest.approx(1e6, rel=1e-6)
    right = random(3, D, seed=4)
    assert relative_error(factor.right_solve(right) @ system, right) < 1e-8


@pytest.mark.parametrize("smallest", [0.0, 1e-14])
def test_a_singular_or_ill_conditioned_system_is_an_error_that_names_the_fix(smallest: float) -> None:
    system = torch.eye(D, dtype=torch.float64)
    system[0, 0] = smallest
    with pytest.raises(UserError) as caught:
        Factor(system, what="The edit", hint="Raise mace.ridge.")
    assert caught.value.what.startswith("The edit is ill-conditioned: condition number ")
    assert caught.value.hint == "Raise mace.ridge."


def test_allowed_a_singular_system_gets_its_smallest_solution() -> None:
    x, y = random(5, D, seed=5), random(5, D, seed=6)
    sums = EditSums(D, CPU)
    sums.map_to(x, y)
    transfer, condition = transfer_matrix(sums, what="the edit", hint="raise l", allow_ill_conditioned=True)
    assert condition > 1e12
    assert relative_error(x @ transfer.T, y) < 1e-8
    elsewhere = torch.linalg.qr(x.T, mode="complete").Q[:, 5:]
    assert float((transfer @ elsewhere).norm()) < 1e-8


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_states_that_are_not_finite_are_refused(poison: float) -> None:
    system = torch.eye(D, dtype=torch.float64)
    system[1, 1] = poison
    with pytest.raises(UserError, match="not finite"):
        Factor(system, what="The edit", hint="mend")
