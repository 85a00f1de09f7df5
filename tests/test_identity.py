"""What decides a result is hashed; every configuration field says whether it does."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from erasebench.api.concepts import Concept
from erasebench.api.method import METHODS, load_method
from erasebench.diffusion.profile import NumericsProfile
from erasebench.identity import digest, identity_field, identity_of, role_of, runtime_field


class Settings(BaseModel):
    steps: int = identity_field(50, "Steps", source="paper, Table 1", unit="steps")
    batch: int = runtime_field(8, "Batch", ge=1)


class Undeclared(BaseModel):
    steps: int = 50


@pytest.mark.parametrize("name", METHODS.names())
def test_every_setting_of_every_method_declares_its_role_and_meaning(name: str) -> None:
    config = load_method(name).Config
    for field_name, field in config.model_fields.items():
        assert role_of(config, field_name) in ("identity", "runtime")
        assert field.description, f"{name}.{field_name} has no description"


def test_an_undeclared_field_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Undeclared\.steps"):
        role_of(Undeclared, "steps")


def test_only_identity_fields_enter_the_identity() -> None:
    assert identity_of(Settings(steps=3, batch=2)) == {"steps": 3}
    assert identity_of(Settings(batch=1)) == identity_of(Settings(batch=99))


def test_a_digest_is_of_the_content_not_of_its_order() -> None:
    assert digest({"a": 1, "b": [1.5, None]}) == digest({"b": [1.5, None], "a": 1})
    assert digest({"a": 1}) != digest({"a": "1"})
    # Golden: sha256 of '{"a":1}'; python -c "import hashlib; print(hashlib.sha256(b'{\"a\":1}').hexdigest())"
    assert digest({"a": 1}) == "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"


def test_models_digest_as_their_content() -> None:
    concept = Concept(name="Ann", kind="person", anchor="a person")
    assert digest(concept) == digest(concept.model_dump())


@pytest.mark.parametrize("content", [float("nan"), object(), {1, 2}], ids=["nan", "object", "set"])
def test_what_has_no_canonical_form_is_refused(content: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        digest(content)


def test_profiles_differ_by_every_field() -> None:
    base = NumericsProfile(batch_size=4)
    others = [{"device_type": "cuda"}, {"dtype": "float16"}, {"batch_size": 8}, {"tf32": True}]
    assert len({digest(base), *(digest(base.model_copy(update=change)) for change in others)}) == 5
