"""Settings, recipes and templates."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from erasebench.api.concepts import Kind
from erasebench.editing.templates import STYLE_TEMPLATES, SUBJECT_TEMPLATES, data_prompt
from erasebench.errors import UserError
from erasebench.identity import role_of
from erasebench.methods.mace import Mace, MaceConfig
from erasebench.methods.mace.evaluation_templates import EVALUATION_TEMPLATES, is_evaluation_template
from erasebench.methods.mace.prompts import templates_of

SD = "stable-diffusion-v1-4"


def recipe(kind: Kind, n_concepts: int = 10, variant: str = "default", world: str = SD) -> MaceConfig:
    return Mace.recipe(world=world, kind=kind, n_concepts=n_concepts, variant=variant)


@pytest.mark.parametrize("templates", [SUBJECT_TEMPLATES, STYLE_TEMPLATES])
def test_thirty_templates_none_of_them_an_evaluation_template(templates: tuple[str, ...]) -> None:
    assert len(set(templates)) == 30
    assert all(template.count("{}") == 1 for template in templates)
    assert not any(is_evaluation_template(template) for template in templates)


def test_the_list_of_evaluation_templates_is_that_of_the_suites() -> None:
    suites = sorted((Path(__file__).parents[3] / "suites").glob("*.yaml"))
    evaluated = {
        template.replace("{name}", "{}").lower()
        for path in suites
        for template in yaml.safe_load(path.read_text(encoding="utf-8")).get("templates", ())
    }
    assert evaluated == EVALUATION_TEMPLATES
    assert all(is_evaluation_template(f"{template.upper()}. ") for template in evaluated)


def test_every_field_declares_its_role_and_documents_itself() -> None:
    roles = {role_of(MaceConfig, name) for name in MaceConfig.model_fields}
    assert roles == {"identity"}
    assert all(field.description for field in MaceConfig.model_fields.values())


@pytest.mark.parametrize("name", ["joint_training", "zero_latents", "prior_loss"])
def test_what_is_not_supported_is_refused_by_name(name: str) -> None:
    with pytest.raises(UserError, match=f"mace.{name} is not supported"):
        MaceConfig(**{name: True})


def test_more_prompts_than_templates_are_refused() -> None:
    with pytest.raises(UserError, match="there are 1 templates"):
        templates_of("person", MaceConfig(templates=("a hat on {}",)))


def test_a_template_of_ones_own_needs_its_placeholder() -> None:
    with pytest.raises(UserError, match="exactly once"):
        MaceConfig(templates=("a hat",))


def test_a_focal_density_of_no_width_is_refused() -> None:
    with pytest.raises(UserError, match="focal_start"):
        MaceConfig(focal_start=400, focal_end=200)


@pytest.mark.parametrize(("n_concepts", "weight"), [(1, 8e3), (3, 5e4), (5, 5e4), (10, 8e4), (100, 2e5), (200, 2e5)])
def test_the_published_people_recipes(n_concepts: int, weight: float) -> None:
    config = recipe("person", n_concepts, "as-released")
    assert (config.learning_rate, config.steps, config.rank) == (1e-4, 50, 1)
    assert (config.prior_weight_refinement, config.prior_weight_fusion) == (1e-8, 1e-4)
    assert (config.ridge_refinement, config.ridge_fusion, config.domain_weight) == (0, 0, weight)
    assert config.image_normalisation == "imagenet"


def test_the_published_explicit_recipe() -> None:
    config = recipe("explicit", 4, "as-released")
    assert (config.learning_rate, config.steps, config.focal_sampling) == (1e-5, 120, False)
    assert (config.prior_weight_refinement, config.prior_weight_fusion) == (4.9e-13, 7e-7)


@pytest.mark.parametrize(
    ("variant", "ridge"), [("as-released-ship", 1e3), ("as-released", 1e2), ("as-released-bird", 10.0)]
)
def test_the_published_object_recipes(variant: str, ridge: float) -> None:
    config = recipe("object", 1, variant)
    assert (config.ridge_refinement, config.ridge_fusion, config.learning_rate) == (ridge, ridge, 1e-5)
    assert config.prior_weight_refinement == config.prior_weight_fusion == 0
    assert (config.common_tokens, config.image_normalisation, config.allow_ill_conditioned) == ("ids", "imagenet", True)


@pytest.mark.parametrize(
    ("kind", "variant", "ridge"),
    [
        ("person", "as-released", 1),
        ("style", "as-released", 1),
        ("explicit", "as-released", 1),
        ("object", "as-released", 1),
        ("object", "as-released-ship", 10),
        ("object", "as-released-bird", 0.1),
    ],
)
def test_on_the_miniature_a_released_run_is_the_default_with_the_releases_quirks(
    kind: Kind, variant: str, ridge: float
) -> None:
    ours = recipe(kind, world="miniature")
    quirks = {"image_normalisation": "imagenet", "common_tokens": "ids", "allow_ill_conditioned": True}
    ridges = {name: getattr(ours, name) * ridge for name in ("ridge_refinement", "ridge_fusion")}
    assert recipe(kind, world="miniature", variant=variant) == ours.model_copy(update={**quirks, **ridges})


@pytest.mark.parametrize("kind", sorted(Mace.kinds))
@pytest.mark.parametrize("world", [SD, "miniature"])
def test_our_own_recipes_never_solve_without_a_ridge(kind: Kind, world: str) -> None:
    config = recipe(kind, world=world)
    assert config.ridge_refinement > 0 and config.ridge_fusion > 0
    assert not config.allow_ill_conditioned
    assert (config.image_normalisation, config.common_tokens) == ("vae", "phrase")


@pytest.mark.parametrize("kind", ["person", "style"])
def test_on_the_miniature_the_prior_and_the_refinements_ridge_go_with_the_number_of_names(kind: Kind) -> None:
    one, ten, hundred = (recipe(kind, n, world="miniature") for n in (1, 10, 100))
    for field in ("ridge_refinement", "prior_weight_refinement", "prior_weight_fusion"):
        assert getattr(one, field) == pytest.approx(getattr(ten, field) / 10)
        assert getattr(hundred, field) == pytest.approx(getattr(ten, field) * 10)
    assert one.ridge_fusion == ten.ridge_fusion == hundred.ridge_fusion


def test_on_the_miniature_the_number_of_objects_changes_nothing() -> None:
    assert recipe("object", 1, world="miniature") == recipe("object", 3, world="miniature")


def test_an_unknown_variant_gets_a_suggestion() -> None:
    with pytest.raises(UserError, match="as-released"):
        recipe("person", variant="as-releasd")
    with pytest.raises(UserError, match="no recipe 'as-released-ship' for kind 'person'"):
        recipe("person", variant="as-released-ship")


def test_the_data_prompts_are_the_protocols() -> None:
    assert data_prompt("person", "Ada") == "a photo of the Ada"
    assert data_prompt("style", "Ada") == "a photo in the style of Ada"
