"""A recipe file beside a method: whose settings it holds, and what is said of one that is wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from erasebench.api.method import load_method
from erasebench.api.recipe import recipe_file, recipes_of
from erasebench.errors import UserError

METHOD = """
from erasebench.methods.original import Original

class Mine(Original):
    name = "mine"
"""
RECIPE = """
mine:
  miniature:
    split: my-split
    kinds:
      person: {trials: 4, settings: {learning_rate: 1.0e-5, weights: attn2, deep: false}}
      object: {trials: 2}
other:
  miniature:
    split: another
    kinds: {}
"""


def mine(folder: Path, recipe: str | None, name: str = "mine.recipe.yaml") -> Any:
    (folder / "mine.py").write_text(METHOD)
    if recipe is not None:
        (folder / name).write_text(recipe)
    return load_method(f"{folder / 'mine.py'}:Mine")


def test_a_methods_own_recipe_is_read(tmp_path: Path) -> None:
    found = recipes_of(mine(tmp_path, RECIPE), "mine", "miniature")
    assert found is not None
    assert found.split == "my-split"
    assert found.settings("person") == {"learning_rate": 1e-5, "weights": "attn2", "deep": False}
    assert found.settings("object") == {}
    assert found.settings("style") == found.settings("person"), "nothing was tried on styles"
    assert (found.trials("person"), found.trials("object"), found.trials("style")) == (4, 2, 0)


def test_another_world_another_name_and_no_file_have_none(tmp_path: Path) -> None:
    method = mine(tmp_path, RECIPE)
    assert recipes_of(method, "mine", "stable-diffusion-v1-4") is None
    assert recipes_of(method, "yours", "miniature") is None
    (tmp_path / "bare").mkdir()
    assert recipe_file(mine(tmp_path / "bare", None)) is None


def test_a_plain_recipe_file_counts_in_a_package_alone(tmp_path: Path) -> None:
    method = mine(tmp_path, RECIPE, "recipe.yaml")
    assert recipe_file(method) is None
    (tmp_path / "__init__.py").write_text("")
    assert recipe_file(method) == tmp_path / "recipe.yaml"


def test_a_class_that_keeps_a_methods_name_has_its_recipe(tmp_path: Path) -> None:
    (tmp_path / "faster.py").write_text("from erasebench.methods.uce import Uce\nclass Faster(Uce):\n    pass\n")
    faster = load_method(f"{tmp_path / 'faster.py'}:Faster")
    assert faster.chosen_settings("miniature", "person") == load_method("uce").chosen_settings("miniature", "person")
    assert faster.chosen_settings("miniature", "person")["release"] == "older"


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    method = mine(tmp_path, RECIPE)
    before = recipes_of(method, "mine", "miniature")
    file = tmp_path / "mine.recipe.yaml"
    file.write_text(RECIPE.replace("trials: 4", "trials: 5"))
    os.utime(file, ns=(1, 1))
    after = recipes_of(method, "mine", "miniature")
    assert before is not None and after is not None
    assert (before.trials("person"), after.trials("person")) == (4, 5)


def test_a_setting_that_the_method_does_not_have_is_named(tmp_path: Path) -> None:
    recipe = "mine: {miniature: {split: s, kinds: {person: {trials: 1, settings: {ridgee: 1}}}}}"
    with pytest.raises(UserError, match="The recipe of mine sets 'ridgee'"):
        mine(tmp_path, recipe).recipe(world="miniature", kind="person", n_concepts=1)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("trials: 4", "trials: -1", "line 6.*trials"),
        ("kinds: {}", "kind: {}", "kinds"),
        ("person:", "people:", "people"),
    ],
)
def test_a_wrong_recipe_is_named_by_line_and_field(tmp_path: Path, old: str, new: str, said: str) -> None:
    method = mine(tmp_path, RECIPE.replace(old, new))
    with pytest.raises(UserError, match=said):
        recipes_of(method, "mine", "miniature")


def test_our_own_methods_read_the_file_beside_them() -> None:
    uce = load_method("uce").recipe(world="miniature", kind="style", n_concepts=10)
    assert uce.model_dump(include={"erase_scale", "ridge", "preserve_scale", "anchor", "release"}) == {
        "erase_scale": 1.0,
        "ridge": 0.5,
        "preserve_scale": 0.1,
        "anchor": "release",
        "release": "older",
    }
    esd = load_method("esd-u").recipe(world="miniature", kind="object", n_concepts=1)
    assert esd.model_dump(include={"learning_rate", "negative_guidance"}) == {
        "learning_rate": 0.0005,
        "negative_guidance": 2.0,
    }
