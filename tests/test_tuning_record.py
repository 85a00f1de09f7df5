"""The record of tuning: what it counts, and every mistake named by file, line and column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from erasebench.api.method import load_method
from erasebench.errors import UserError
from erasebench.results.trials import Trial, read_trials, shipped_trials, write_trials

HEADER = "method,kind,scale,trial,settings,score,chosen"
ROWS = (
    "esd-x,person,10,1,learning_rate=0.01 steps=50,0.61,no",
    "esd-x,person,10,2,recipe,0.84,yes",
    "esd-x,person,1,1,steps=9,0.5,yes",
    "esd-x,object,1,1,steps=50,0.3,no",
    "uce,person,10,1,erase_scale=2,0.5,yes",
)


def table(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "tuning.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_a_table_is_read_as_it_was_written_and_rows_of_others_stay(tmp_path: Path) -> None:
    made = tmp_path / "made.csv"
    words: dict[str, Any] = {"kind": "person", "scale": 10, "metrics": "acc_e=0.1", "seconds": 12.0}
    esd = [Trial(method="esd-x", trial=n, settings=f"steps={n}", score=0.5, chosen="no", **words) for n in (1, 2)]
    uce = Trial(method="uce", trial=1, settings="ridge=0.5", score=0.25, chosen="yes", **words)
    write_trials(made, esd)
    write_trials(made, [uce])
    assert read_trials(made) == (*esd, uce)
    write_trials(made, esd[:1])
    assert read_trials(made) == (uce, esd[0])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("esd-x,persn,10,3,steps=5,0.1,no", "line 3, column 'kind', value 'persn': Input should be 'object'"),
        (",person,10,3,steps=5,0.1,no", "line 3, column 'method', value ''"),
        ("esd-x,person,ten,3,steps=5,0.1,no", "line 3, column 'scale', value 'ten'"),
        ("esd-x,person,10,0,steps=5,0.1,no", "line 3, column 'trial', value '0'"),
        ("esd-x,person,10,3,5 steps,0.1,no", "line 3, column 'settings', value '5 steps'"),
        ("esd-x,person,10,3,steps=5,nan,no", "line 3, column 'score', value 'nan': Input should be a finite number"),
        ("esd-x,person,10,3,steps=5,0.1,maybe", "line 3, column 'chosen', value 'maybe'"),
        ("esd-x,person,10,3,steps=5,0.1", "line 3: there are fewer fields than columns"),
        ("esd-x,person,10,3,steps=5,0.1,no,7", "line 3: there are more fields than columns"),
        ("esd-x,person,10,2,steps=5,0.1,no", "line 3, column 'trial', value '2': the same as line 2"),
        ("esd-x,person,10,3,steps=5,0.9,yes", "line 3, column 'chosen', value 'yes': the same as line 2"),
    ],
)
def test_a_mistake_is_named_by_line_and_column(tmp_path: Path, row: str, message: str) -> None:
    path = table(tmp_path, ROWS[1], row)
    with pytest.raises(UserError) as caught:
        read_trials(path)
    assert caught.value.what.startswith(f"{path}, {message}")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("", "the column 'method' is missing"),
        (HEADER.removesuffix(",chosen"), "the column 'chosen' is missing"),
        (f"{HEADER},chosn", "unknown column 'chosn'"),
    ],
)
def test_a_table_of_other_columns_is_refused(tmp_path: Path, header: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_trials(table(tmp_path, header=header))


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.csv cannot be read: No such file"):
        read_trials(tmp_path / "gone.csv")
    (tmp_path / "tuning.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not valid CSV in UTF-8"):
        read_trials(tmp_path / "tuning.csv")


def test_the_shipped_table_names_methods_and_settings_that_there_are() -> None:
    assert isinstance(shipped_trials(), tuple)
    for trial in shipped_trials():
        method = load_method(trial.method)
        names = [pair.partition("=")[0] for pair in trial.settings.split() if "=" in pair]
        unknown = set(names) - set(method.Config.model_fields)
        assert not unknown, f"{trial.method}: {unknown}"
        assert method.name == trial.method
        assert trial.kind in method.kinds
