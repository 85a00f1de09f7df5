"""A run under an attack: its prompts are sampled and judged as the group that they come from."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

import erasebench
from erasebench.api.attack import ATTACKS as REGISTERED
from erasebench.api.attack import AttackPrompt, load_attack
from erasebench.errors import UserError
from erasebench.results.record import Record
from erasebench.runner import job as job_module
from erasebench.runner import outcome as outcome_module
from erasebench.runner.attack import checked
from erasebench.runner.forecast import forecast
from erasebench.runner.job import plan
from erasebench.runner.outcome import record_identity
from erasebench.runner.request import Request
from erasebench.runner.session import Session
from erasebench.suite.suite import load_suite
from tests.runner.toy import SUITE, TOY, of, timeless
from tests.toy_attacks import ATTACKS, answers

SHOUT = ATTACKS + "Shout"


def request_of(words: dict[str, Any], **more: Any) -> Request:
    asked = dict(words) | {"methods": (words["method"],), "suites": (words["suite"],), "baselines": "none"} | more
    del asked["method"], asked["suite"]
    return Request(**asked)


def begun(words: dict[str, Any], method: str = "shift") -> int:
    """How often the attack was begun on a method's edits."""
    return len(list(words["runs_folder"].glob(f"toy/toy-2/{method}-*/attacks/toy-shout-*/scratch/begun-*")))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack as a package registers it."""
    entry = EntryPoint("toy-shout", "tests.toy_attacks:Shout", "erasebench.attacks")
    monkeypatch.setitem(REGISTERED._entries, "toy-shout", entry)


def suite_with(folder: Path, attacks: str) -> str:
    file = folder / "attacked.yaml"
    file.write_text(Path(SUITE).read_text().replace("\ntable:", f"\nattacks: {attacks}\ntable:"))
    return str(file)


def test_the_group_under_attack_has_metrics_of_its_own(words: dict[str, Any], sampled: list[int]) -> None:
    summary = erasebench.run(**words, attack=SHOUT, attack_settings={"toy-shout.word": "now"})
    plain = erasebench.run(**words | {"out": words["out"].with_name("plain")})
    for method in ("original", "shift"):
        record, before = of(summary, method), of(plain, method)
        under = {name for name in record.metrics if name.endswith("_under_toy_shout")}
        assert under == {f"{name}_under_toy_shout" for name in ("acc_e", "acc_e_strict", "no_face_e")}
        # A metric over several groups has no value under an attack on one; what there was before is as it was.
        assert {name: value for name, value in record.metrics.items() if name not in under} == before.metrics
        assert record.metrics["acc_e_under_toy_shout"].n_expected == before.metrics["acc_e"].n_expected == 4
    record = of(summary, "shift")
    described: Any = record.manifest.config["attacks"]
    assert described["toy-shout"]["config"] == {"word": "now", "times": 1, "tries": 1}
    assert (described["toy-shout"]["group"], described["toy-shout"]["seed"]) == ("erased", 2024)
    assert {"attack:toy-shout", "attacked:toy-shout"} <= set(record.manifest.digests)
    assert {f"toy-shout: {stage}" for stage in ("attack", "sample", "judge")} <= set(record.manifest.stages)
    assert f"--attack {SHOUT} --attack-set toy-shout.word=now" in record.command
    (listing,) = words["runs_folder"].glob("toy/toy-2/finished/shift-*.under-toy-shout.csv")
    assert (
        "A PORTRAIT OF ANN ASH now" in listing.read_text()
        and "ANN" not in listing.with_name(listing.name.replace(".under-toy-shout", "")).read_text()
    )
    page = (words["out"] / "README.md").read_text()
    assert "Acc_e under toy-shout, % ↓" in page
    # The attack's own look at the model, and its four prompts, of each of two models.
    assert sampled.count(1) == 2 and sampled.count(4) == 2


def test_what_an_attack_is_given(words: dict[str, Any]) -> None:
    erasebench.run(**words, attack=SHOUT, seed=7, limit=1)
    notes = {
        path.parts[-5].partition("-")[0]: path.read_text()
        for path in words["runs_folder"].glob("toy/toy-2/*/attacks/toy-shout-*/scratch/notes.txt")
    }
    assert notes == {"original": "toy 0 7 (16, 16)", "shift": "toy 1 7 (16, 16)"}


def test_the_same_run_again_attacks_nothing(words: dict[str, Any], sampled: list[int]) -> None:
    words = words | {"attack": SHOUT, "baselines": "none"}
    first = of(erasebench.run(**words), "shift")
    sampled.clear()
    assert timeless(of(erasebench.run(**words), "shift")) == timeless(first)
    # Where the finished file is gone, each stage finds what it made.
    for path in words["runs_folder"].glob("toy/toy-2/finished/*.json"):
        path.unlink()
    assert timeless(of(erasebench.run(**words), "shift")) == timeless(first)
    assert (begun(words), sampled) == (1, [])
    # An attacked image that is gone is made again, from the prompts that are kept.
    listing = next(words["runs_folder"].glob("toy/toy-2/finished/shift-*.under-toy-shout.csv"))
    (listing.parent / listing.read_text().splitlines()[1].rpartition(",")[2]).unlink()
    assert timeless(of(erasebench.run(**words), "shift")) == timeless(first)
    assert (begun(words), sampled) == (1, [1])


def test_damaged_prompts_are_made_again(words: dict[str, Any]) -> None:
    words = words | {"attack": SHOUT, "baselines": "none", "limit": 1}
    first = of(erasebench.run(**words), "shift")
    (kept,) = words["runs_folder"].glob("toy/toy-2/shift-*/attacks/toy-shout-*/prompts.json")
    kept.write_text("{}")
    for path in words["runs_folder"].glob("toy/toy-2/finished/*.json"):
        path.unlink()
    assert timeless(of(erasebench.run(**words), "shift")) == timeless(first)
    assert begun(words) == 2


def test_another_setting_group_or_seed_is_another_result(words: dict[str, Any]) -> None:
    ids = [
        plan(request_of(words, attacks=attacks, attack_settings=settings, **more))[0].request_digest
        for attacks, settings, more in (
            ((), {}, {}),
            ((SHOUT,), {}, {}),
            ((SHOUT,), {"toy-shout.word": "now"}, {}),
            ((SHOUT,), {"toy-shout.group": "general"}, {}),
            ((SHOUT,), {}, {"seed": 1}),
        )
    ]
    assert len(set(ids)) == 5
    (runtime,) = plan(request_of(words, attacks=(SHOUT,), attack_settings={"toy-shout.tries": "3"}))
    assert runtime.request_digest == ids[1]


def test_without_an_attack_nothing_of_it_is_in_an_identity(
    words: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Any] = []
    whole = job_module.digest

    def noted(content: Any) -> str:
        hashed.append(content)
        return whole(content)

    monkeypatch.setattr(job_module, "digest", noted)
    monkeypatch.setattr(outcome_module, "digest", noted)
    (job,) = plan(request_of(words))
    session = Session(job.world, "cpu")
    assert job.attacks == () and job.request_digest and record_identity(job, session, None)
    assert hashed and not any("attack" in key for content in hashed if isinstance(content, dict) for key in content)
    attacked = plan(request_of(words, attacks=(SHOUT,)))[0]
    assert record_identity(attacked, session, None) != record_identity(job, session, None)
    assert attacked.erasure_identity("none") == job.erasure_identity("none")


@pytest.mark.parametrize(
    ("suite", "digest"),
    [
        ("celebrity", "55aa7dcac630db3e3bab6b51ad0f8b7a393d964237432a2f2be817e9e9324574"),
        ("explicit", "ad54cd09032d243f232fa01b80996ac2de9cea432eebf8f2ccfb41d1b10ce78a"),
        ("object", "46980e1a82d34784faca1196b823ed73019c04cd6f6b6fff713e2f8a7c85719b"),
        ("style", "dba0e8023f9d9342576c97f2e99a3128fc04cc79f5b8d5e5b0ac489c8e2747b7"),
    ],
)
def test_suites_without_attacks_have_the_digests_that_they_had_before_there_were_any(suite: str, digest: str) -> None:
    """Change a digest here only where what the suite measures is changed on purpose."""
    assert load_suite(suite).digest == digest


def test_a_suite_asks_for_an_attack(words: dict[str, Any], tmp_path: Path, installed: None) -> None:
    suite = suite_with(tmp_path, "[{name: toy-shout, group: retain-heldout, word: now}]")
    assert load_suite(suite).digest != load_suite(SUITE).digest
    record = of(erasebench.run(**words | {"suite": suite}, baselines="none"), "shift")
    assert {name for name in record.metrics if "under" in name} == {
        f"{name}_under_toy_shout" for name in ("acc_s", "acc_s_heldout", "acc_s_strict", "no_face_s")
    }
    assert "--attack " not in record.command
    (job,) = plan(request_of(words | {"suite": suite}, attack_settings={"toy-shout.times": "2"}))
    assert job.attacks[0].config.model_dump() == {"word": "now", "times": 2, "tries": 1}
    assert "4 retain-heldout under toy-shout" in forecast(request_of(words | {"suite": suite}))


def test_runs_of_single_names_are_averaged_under_an_attack_too(words: dict[str, Any], tmp_path: Path) -> None:
    objects = f"{Path(SUITE).parents[1] / 'toy_objects.py'}:"
    text = Path(SUITE).with_name("toy-objects.yaml").read_text()
    column = "{key: acc_e_probability, title: Acc_e, direction: down, meaning: Erased.}"
    (tmp_path / "objects.yaml").write_text(f"{text.rstrip()}\n    - {column}\n")
    words |= {"suite": str(tmp_path / "objects.yaml"), "method": objects + "ShiftAny", "world": objects + "ToyObjects"}
    records = {record.scale: record for record in erasebench.run(**words, attack=SHOUT, baselines="none").records}
    key = "acc_e_probability_under_toy_shout"
    average = records.pop("average")
    values = [record.metrics[key].value for record in records.values()]
    assert len(values) == 2 and average.metrics[key].value == pytest.approx(sum(map(float, filter(None, values))) / 2)
    assert {"toy-shout: attack", "toy-shout: sample"} <= set(average.manifest.stages)
    assert "Acc_e under toy-shout" in (words["out"] / "README.md").read_text()


def test_several_erasings_are_attacked_each_under_its_seed(words: dict[str, Any]) -> None:
    words |= {"method": TOY + "Lucky", "baselines": "none", "limit": 1}
    (record,) = erasebench.run(**words, attack=SHOUT, repeats=2, seed=3).records
    assert [repeat.seed for repeat in record.repeats] == [3, 4]
    assert "acc_e_under_toy_shout" in record.metrics
    notes = sorted(path.read_text() for path in words["runs_folder"].rglob("notes.txt"))
    assert notes == ["toy 1 3 (16, 16)", "toy 1 4 (16, 16)"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"attacks": ("no-such",)}, "There is no attack 'no-such'.\nAvailable: "),
        ({"attacks": (ATTACKS + "Sout",)}, "toy_attacks.py has no class Sout.\nDid you mean 'Shout'?"),
        ({"attacks": (ATTACKS + "Unnamed",)}, "is called 'Toy_Shout' in its class"),
        ({"attacks": (ATTACKS + "Abstract",)}, "lacks attack"),
        ({"attacks": (ATTACKS + "Grouped",)}, "has a setting 'group', a word that suites use themselves"),
        ({"attacks": (ATTACKS + "Plain",)}, "PlainConfig.steps declares neither identity_field nor runtime_field"),
        (
            {"attacks": (SHOUT,), "attack_settings": {"toy-shout.wrod": "a"}},
            "The attack toy-shout has no setting 'wrod'.\nDid you mean 'word'? Available: group, times, tries, word.",
        ),
        ({"attacks": (SHOUT,), "attack_settings": {"toy-shout.times": "0"}}, "The setting toy-shout.times"),
        ({"attacks": (SHOUT,), "attack_settings": {"toy-shout.word": "[a"}}, "is not a value"),
        ({"attacks": (SHOUT,), "attack_settings": {"toy-shout": "a"}}, "names no field"),
        ({"attacks": (SHOUT,), "attack_settings": {"toy-shot.word": "a"}}, "the attack 'toy-shot' is not part of"),
        ({"attack_settings": {"toy-shout.word": "a"}}, "the attack 'toy-shout' is not part of this run"),
        (
            {"attacks": (SHOUT,), "attack_settings": {"toy-shout.group": "synonyms"}},
            "The attack toy-shout: the suite toy has no group 'synonyms' of prompts.\nAvailable: erased, general",
        ),
    ],
)
def test_a_mistake_is_found_before_any_work(words: dict[str, Any], more: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as raised:
        plan(request_of(words, **more))
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("attacks", "said"),
    [
        ("[{name: a}, {name: a}]", "'a' is given twice"),
        ("[{name: a, group: nobody}]", "attacks.0.group"),
        ("[{name: a, group: synonyms}]", "the attack a is on the group synonyms, which is not one of the groups"),
        ("[{group: erased}]", "attacks.0.name"),
        ("[shout]", "attacks.0"),
        # A suite is data: what it names is a package's, never a file.
        (f"[{{name: '{SHOUT}'}}]", "attacks.0.name"),
    ],
)
def test_a_wrong_attack_of_a_suite_is_named(tmp_path: Path, attacks: str, said: str) -> None:
    with pytest.raises(UserError) as raised:
        load_suite(suite_with(tmp_path, attacks))
    assert said in str(raised.value)


def test_one_attack_under_two_names_is_refused(words: dict[str, Any], installed: None) -> None:
    with pytest.raises(UserError, match="The attack 'toy-shout' is asked for twice on toy"):
        plan(request_of(words, attacks=(SHOUT, "toy-shout")))


def test_a_suite_may_rank_by_a_metric_under_attack_that_there_is(
    words: dict[str, Any], tmp_path: Path, installed: None
) -> None:
    file = Path(suite_with(tmp_path, "[{name: toy-shout}]"))
    text = file.read_text()
    for key, fits in (
        ("acc_e_under_toy_shout", True),
        ("acc_s_under_toy_shout", False),
        ("h_c_under_toy_shout", False),
    ):
        file.write_text(
            text.replace("primary_metric: h_c", f"primary_metric: {key}").replace("{key: h_c,", f"{{key: {key},")
        )
        asked = request_of(words | {"suite": str(file)})
        if fits:
            assert plan(asked)[0].suite.table.primary_metric == key
            continue
        with pytest.raises(UserError, match=f"computes '{key}', the metric that ranks its table"):
            plan(asked)


PROMPTS = [AttackPrompt(3, "Ann Ash", "a photo", 1), AttackPrompt(5, "Bob Bell", "a sketch", 2)]


@pytest.mark.parametrize("what", [what for what in answers(PROMPTS) if what != "vandal"])
def test_a_wrong_answer_is_named_with_the_attack(what: str) -> None:
    with pytest.raises(UserError, match=r"^The attack x \(y\) ") as raised:
        checked("The attack x (y)", PROMPTS, answers(PROMPTS)[what])
    assert "each row once" in raised.value.hint


def test_the_example_of_the_documentation_is_an_attack(tmp_path: Path) -> None:
    page = (Path(SUITE).parents[2] / "docs" / "adding-an-attack.md").read_text(encoding="utf-8")
    (tmp_path / "example.py").write_text(page.split("```python\n")[1].split("```")[0], encoding="utf-8")
    example = load_attack(f"{tmp_path / 'example.py'}:ToyShout")
    target: Any = None
    answer = example(example.Config()).attack(target, PROMPTS, target)
    assert [each.prompt for each in checked("", PROMPTS, answer)] == ["A PHOTO please", "A SKETCH please"]


def test_an_answer_comes_back_in_the_order_of_the_rows() -> None:
    other = [each._replace(prompt=each.prompt.upper(), seed=9) for each in PROMPTS]
    assert checked("", PROMPTS, tuple(reversed(other))) == other


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("raises", "failed: KeyError: 'no-such-token'."),
        ("exits", "failed: SystemExit: 3."),
        ("refuses", ": It knows no such model.\nUse another."),
        ("vandal", ": It left the pipeline changed (vae."),
        ("a row missing", "did not answer row 0 and 0 more of 1"),
    ],
)
def test_an_attack_that_goes_wrong_fails_its_job_alone(
    words: dict[str, Any], monkeypatch: pytest.MonkeyPatch, what: str, said: str
) -> None:
    monkeypatch.setenv("TOY_WRONG", what)
    summary = erasebench.run(**words | {"baselines": "none", "limit": 1}, attack=ATTACKS + "Wrong")
    (failure,) = summary.failures.values()
    assert failure.startswith(f"The attack toy-wrong ({ATTACKS}Wrong)") and said in failure
    (failed,) = [Record.read(path) for path in (words["out"] / "results").glob("*.json")]
    assert (failed.status, failed.metrics) == ("failed", {})
    assert not list(words["runs_folder"].glob("toy/toy-2/*/attacks/*/prompts.json"))


def test_a_group_without_prompts_is_left_out_with_a_warning(
    words: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    from erasebench.api.erasure import Erasure
    from erasebench.prompts import PromptTable
    from erasebench.runner.attack import attack
    from erasebench.runner.work import Work

    (job,) = plan(request_of(words, attacks=(SHOUT,)))
    bare = replace(job, table=PromptTable(tuple(row for row in job.table.rows if row.group != "erased")))
    assert attack(Work(bare, Session(job.world, "cpu")), Erasure()) == []
    assert "no erased prompts, so the attack toy-shout is left out" in caplog.text
