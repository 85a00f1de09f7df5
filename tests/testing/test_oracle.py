"""The oracle tool: cases are listed and sorted, and a difference is found and named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from erasebench.errors import UserError
from erasebench.testing import oracle


def write(folder: Path, name: str, **arrays: object) -> oracle.Case:
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"{name}.npz", **arrays)  # type: ignore[arg-type]
    return oracle.Case(folder / f"{name}.npz")


def test_symbols_come_as_tensors_numbers_and_strings(tmp_path: Path) -> None:
    case = write(tmp_path / "mine", "one", W_0=np.ones((2, 3)), l=0.5, steps=3, names=np.array(["a", "b"]))
    assert torch.equal(case["W_0"], torch.ones(2, 3, dtype=torch.float64))
    assert (case["l"], case["steps"], case["names"]) == (0.5, 3, ["a", "b"])
    assert "l" in case and "p" not in case
    assert case.symbols == ("W_0", "l", "steps", "names")
    with pytest.raises(UserError, match=r"mine/one has no array 'p'.*\n?.*W_0, l, names, steps"):
        case["p"]


def test_the_first_symbol_that_differs_is_named_with_its_place(tmp_path: Path) -> None:
    case = write(tmp_path / "mine", "one", x=np.zeros(2), W=np.eye(3), y=np.ones(2))
    wrong = torch.eye(3, dtype=torch.float64)
    wrong[1, 2] = 0.3
    with pytest.raises(AssertionError, match=r"mine/one: W differs by 1\.73e-01 .* most at \[1, 2\]: 0\.3 here, 0 in"):
        case.check({"x": torch.zeros(2), "W": wrong, "y": torch.zeros(2)}, tolerance=1e-9)
    assert case.check({"W": wrong}, tolerance=0.2) == pytest.approx(0.3 / 3**0.5)


def test_a_difference_is_measured_against_what_it_is_told_to(tmp_path: Path) -> None:
    case = write(tmp_path / "mine", "one", W=np.full(4, 100.0))
    almost = torch.full((4,), 100.001, dtype=torch.float64)
    assert case.check({"W": almost}, tolerance=1e-4) == pytest.approx(1e-5)
    with pytest.raises(AssertionError, match="W differs by 1"):
        case.check({"W": almost}, tolerance=1e-4, of=torch.full((4,), 0.001))


@pytest.mark.parametrize("value", [torch.full((4,), float("nan")), torch.full((4,), float("inf"))])
def test_what_is_not_finite_never_passes(tmp_path: Path, value: torch.Tensor) -> None:
    case = write(tmp_path / "mine", "one", W=np.ones(4))
    with pytest.raises(AssertionError, match="not finite"):
        case.check({"W": value}, tolerance=1e9)


def test_another_shape_never_passes(tmp_path: Path) -> None:
    case = write(tmp_path / "mine", "one", W=np.ones((4, 1)))
    with pytest.raises(AssertionError, match=r"\[4\], but the official code's has \[4, 1\]"):
        case.check({"W": torch.ones(4)}, tolerance=1e9)


def test_tolerance_zero_is_equality(tmp_path: Path) -> None:
    case = write(tmp_path / "mine", "one", mask=np.array([1, 0, 1]), losses=np.array([0.0, 0.0]))
    assert case.check({"mask": torch.tensor([True, False, True]), "losses": torch.zeros(2)}, tolerance=0) == 0
    with pytest.raises(AssertionError, match="losses differs"):
        case.check({"losses": torch.tensor([0.0, 1e-300], dtype=torch.float64)}, tolerance=0)


def test_a_check_of_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Nothing is compared with mine/one"):
        write(tmp_path / "mine", "one", x=1.0).check({}, tolerance=1)


def test_strings_are_equal_or_the_first_that_differs_is_named(tmp_path: Path) -> None:
    case = write(tmp_path / "mine", "one", names=np.array(["a", "b"]), kind="style", x=np.ones(2))
    assert case.check({"names": ["a", "b"], "kind": "style"}, tolerance=0) == 0
    for wrong, found in ((["a", "c", "d"], r"\[1\]: 'c' here, 'b' in"), (["a"], r"\[1\]: None here, 'b' in")):
        with pytest.raises(AssertionError, match=f"mine/one: names differs at {found}"):
            case.check({"names": wrong}, tolerance=1)
    with pytest.raises(AssertionError, match="names contains numbers, but the official code's contains strings"):
        case.check({"names": torch.ones(2)}, tolerance=1)
    with pytest.raises(AssertionError, match="x contains strings, but the official code's contains numbers"):
        case.check({"x": ["a", "b"]}, tolerance=1)


@pytest.mark.parametrize("array", [np.array([None, "a"]), np.array([b"a"])], ids=["objects", "bytes"])
def test_a_file_of_objects_or_bytes_is_named(tmp_path: Path, array: object) -> None:
    case = write(tmp_path / "mine", "one", x=array)
    with pytest.raises(UserError, match=r"mine/one\.npz"):
        case["x"]


def test_what_is_no_npz_is_named(tmp_path: Path) -> None:
    (tmp_path / "one.npz").write_text("text", encoding="utf-8")
    with pytest.raises(UserError, match=r"one\.npz cannot be read"):
        oracle.Case(tmp_path / "one.npz")["x"]


def test_another_folder_takes_the_place_of_the_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(oracle.FOLDER_VARIABLE, raising=False)
    write(tmp_path / "own" / "mine", "b", x=1.0)
    write(tmp_path / "own" / "mine", "a", x=1.0)
    write(tmp_path / "kept-back" / "mine", "c", x=1.0)
    assert [case.name for case in oracle.cases(tmp_path / "own" / "mine")] == ["a", "b"]
    monkeypatch.setenv(oracle.FOLDER_VARIABLE, str(tmp_path / "kept-back"))
    assert [case.name for case in oracle.cases(tmp_path / "own" / "mine")] == ["c"]
    assert oracle.cases(tmp_path / "own" / "other") == []
    monkeypatch.setenv(oracle.FOLDER_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(UserError, match="is not a folder"):
        oracle.cases(tmp_path / "own" / "mine")


def test_a_folder_without_cases_of_any_item_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "kept-back" / "mine", "c", x=1.0)
    for wrong in (tmp_path, tmp_path / "kept-back" / "mine"):
        monkeypatch.setenv(oracle.FOLDER_VARIABLE, str(wrong))
        with pytest.raises(UserError, match=r"contains no item/case\.npz"):
            oracle.cases("mine")


def test_an_empty_folder_is_no_passing_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(oracle.FOLDER_VARIABLE, raising=False)
    with pytest.raises(UserError, match="contains no cases"):
        oracle.cases(tmp_path / "mine")


def test_a_case_that_no_test_takes_is_an_error(tmp_path: Path) -> None:
    found = [write(tmp_path / "mine", name, x=1.0) for name in ("gate", "step-1", "step-2")]
    kinds = {"gate": lambda case: case.name == "gate", "step": lambda case: case.name.startswith("step")}
    assert {kind: len(own) for kind, own in oracle.by_kind(found, kinds).items()} == {"gate": 1, "step": 2}
    with pytest.raises(UserError, match=r"gate\.npz is of 0 kinds"):
        oracle.by_kind(found, {"step": kinds["step"]})
    with pytest.raises(UserError, match=r"is of 2 kinds \(any, gate\)"):
        oracle.by_kind(found, {"any": lambda case: True, "gate": kinds["gate"]})
