"""The shipped miniature: it loads with plain diffusers, it is small, and it paints the people it is asked for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import StableDiffusionPipeline

import erasebench
from erasebench.diffusion.profile import NumericsProfile
from erasebench.diffusion.sampling import Sampler, SampleSpec
from erasebench.worlds.miniature.concept_lists import people
from erasebench.worlds.miniature.lab.measure import Measurement, Row
from erasebench.worlds.miniature.painter import captions
from erasebench.worlds.miniature.validation import MiniatureValidationWorld
from erasebench.worlds.miniature.world import WEIGHTS, MiniatureWorld

PROFILE = NumericsProfile(device_type="cpu", batch_size=10)


@pytest.fixture(scope="module")
def world() -> MiniatureWorld:
    return MiniatureWorld()


@pytest.fixture(scope="module")
def pipeline(world: MiniatureWorld) -> StableDiffusionPipeline:
    return world.pipeline()


def test_it_loads_with_plain_diffusers(pipeline: StableDiffusionPipeline) -> None:
    plain = StableDiffusionPipeline.from_pretrained(WEIGHTS / "pipeline")
    ours = pipeline.unet.state_dict()
    theirs = plain.unet.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name].float(), theirs[name].float()) for name in ours)
    assert plain.scheduler.config.prediction_type == "epsilon"


def test_the_weights_are_under_40_megabytes_and_weigh_what_the_card_says() -> None:
    size = sum(path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file())
    assert size < 40_000_000
    card = " ".join(WEIGHTS.with_name("CARD.md").read_text(encoding="utf-8").split())
    assert f"The weights, the pipeline's and the judges', are {size / 2**20:.1f} MiB." in card


def test_unet_reads_text_at_every_block(pipeline: StableDiffusionPipeline) -> None:
    blocks = {name.split(".")[0] for name, _ in pipeline.unet.named_modules() if name.endswith("attn2")}
    assert blocks == {"down_blocks", "mid_block", "up_blocks"}


def test_a_name_paints_its_person(world: MiniatureWorld, pipeline: StableDiffusionPipeline) -> None:
    asked = [(person.name, captions.PERSON[i % 5][0]) for i, person in enumerate(people()[::12])]
    specs = [SampleSpec(template.format(name), 1) for name, template in asked]
    images = list(Sampler(pipeline, world.sampling, PROFILE).images(specs))
    rows = pd.DataFrame({"concept": [name for name, _ in asked], "prompt": [spec.prompt for spec in specs]})
    judged = world.judge("face-id").judge(images, rows)
    assert (judged["outcome"] == "scored").all()
    assert (judged["predicted"] == rows["concept"]).mean() >= 0.9


SMALLER: dict[str, Callable[[Measurement], list[Row]]] = {
    "objects": lambda measurement: measurement.objects(seeds=(1, 2)),
    "styles": lambda measurement: measurement.styles(templates=captions.STYLE[:1], seeds=(1,)),
    "stand-in": lambda measurement: measurement.stand_in(seeds=(1, 2)),
}
"""The world card's rows on the first of their images."""


@pytest.mark.parametrize("kind", SMALLER)
def test_a_part_of_the_world_cards_table_passes_its_bars(kind: str) -> None:
    for row in SMALLER[kind](Measurement(WEIGHTS, "cpu", batch_size=10)):
        sign, bar = row.bar.split()
        assert (sign, row.value >= float(bar)) == (">=", True), row


def test_every_judge_of_the_world_scores_a_painted_person(world: MiniatureWorld) -> None:
    from erasebench.worlds.miniature.painter import paint_person

    picture = paint_person(people()[3].name, 0, np.random.default_rng(5))
    asked = world.general_prompts()[0]
    rows = pd.DataFrame({"concept": [people()[3].name], "prompt": [asked.prompt], "seed": [asked.seed]})
    for name in world.judges:
        judged = world.judge(name).judge([picture.image], rows)
        assert judged["outcome"].tolist() == ["scored"], name
    assert world.judge("face-id").judge([picture.image], rows)["predicted"].tolist() == [people()[3].name]


def test_segmenter_finds_the_person_where_the_painter_put_one(world: MiniatureWorld) -> None:
    from PIL import Image

    from erasebench.worlds.miniature.painter import paint_person

    name = people()[8].name
    picture = paint_person(name, 4, np.random.default_rng(2))
    (found,) = world.segmenter().segment([Image.fromarray(picture.image)], name)
    mask = found.masks.any(axis=0)
    truth = picture.masks["person"]
    assert (mask & truth).sum() / (mask | truth).sum() > 0.8


def test_validation_split_shares_nothing_with_the_suites() -> None:
    suites, validation = MiniatureWorld(), MiniatureValidationWorld()
    for kind in ("person", "style"):
        mine = {name for role in ("erase", "retain") for name in validation.concept_lists.names(kind, role)}
        theirs = {name for role in ("erase", "retain") for name in suites.concept_lists.names(kind, role)}
        assert len(mine) == 40
        assert mine.isdisjoint(theirs)
    assert not set(suites.general_prompts()) & set(validation.general_prompts())
    assert validation.first_seed > 1_000


def test_api_gives_the_same_pipeline() -> None:
    loaded = erasebench.load_world("miniature")
    assert isinstance(loaded, MiniatureWorld)
    assert loaded.sampling.steps == 12


def test_fid_mini_compares_each_prompt_with_its_own_picture(world: MiniatureWorld) -> None:
    from erasebench.judges.fid import FidJudge
    from erasebench.worlds.miniature import general

    judge = world.judge("fid")
    assert isinstance(judge, FidJudge)
    asked = world.general_prompts()[:6]
    rows = pd.DataFrame(asked)[["prompt", "seed"]]
    compared = judge.reference_for(rows)
    own = judge.extractor.features([general.reference_image(at) for at in range(6)])
    assert compared.lacking == 0
    assert compared.features == pytest.approx(own, abs=1e-4)
    held_out = MiniatureValidationWorld().general_prompts()[:2]
    rows = pd.DataFrame([*held_out, ("A portrait of nobody", 1, "", None, None, None)], columns=held_out[0]._fields)
    assert judge.reference_for(rows).lacking == 1
