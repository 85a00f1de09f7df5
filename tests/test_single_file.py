"""A model as one file: opened without network, refused with the reason, and written as web UIs load it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

from erasebench.api.erasure import Erasure
from erasebench.api.world import SamplingDefaults, load_world
from erasebench.cli import main
from erasebench.diffusion.profile import NumericsProfile
from erasebench.diffusion.sampling import Sampler, SampleSpec
from erasebench.errors import UserError
from erasebench.families import single_file
from erasebench.families.clip_tokenizer import clip_tokenizer
from erasebench.families.compvis_names import unet_names, vae_weights
from erasebench.families.file_export import export_file
from erasebench.families.file_weights import file_pipeline
from erasebench.families.single_file import ARCHITECTURE, CONFIGS, FileModel, file_model
from erasebench.methods.negative_prompt import NegativePrompt
from tests.tiny_model import WIDTH, tiny_pipeline

KINDS = {
    "stable-diffusion-v1": "stable-diffusion-v1",
    "stable-diffusion-v2-base": "stable-diffusion-v2-512",
    "stable-diffusion-v2-v": "stable-diffusion-v2-768-v",
}
KEY = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_v.weight"


def made(kind: str = "stable-diffusion-v1") -> StableDiffusionPipeline:
    """The tests' model; of v2.x with OpenCLIP's activation, and v where the kind predicts it."""
    pipeline = tiny_pipeline()
    pipeline.tokenizer = clip_tokenizer("!" if "v2" in kind else "<|endoftext|>")
    settings = pipeline.text_encoder.config
    settings.vocab_size, settings.bos_token_id, settings.eos_token_id = len(pipeline.tokenizer), 49406, 49407
    settings.pad_token_id = pipeline.tokenizer.pad_token_id
    settings.hidden_act = "gelu" if "v2" in kind else "quick_gelu"
    torch.manual_seed(1)
    pipeline.text_encoder = CLIPTextModel(settings).eval()
    predicts = "v_prediction" if kind.endswith("-v") else "epsilon"
    pipeline.scheduler = type(pipeline.scheduler).from_config(pipeline.scheduler.config, prediction_type=predicts)
    return pipeline


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[StableDiffusionPipeline, Path]]:
    """A kind's model and the file that it was exported to, the shipped configs replaced by its own."""

    def write(kind: str) -> tuple[StableDiffusionPipeline, Path]:
        pipeline, file = made(kind), tmp_path / f"{kind}.safetensors"
        folder = tmp_path / "configs" / kind
        for name, config in {
            "unet/config.json": dict(pipeline.unet.config),
            "vae/config.json": dict(pipeline.vae.config),
            "text_encoder/config.json": pipeline.text_encoder.config.to_dict(),
            "scheduler/scheduler_config.json": dict(pipeline.scheduler.config),
        }.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(json.dumps(config, default=str), encoding="utf-8")
        monkeypatch.setattr(single_file, "CONFIGS", tmp_path / "configs")
        # The tests' model is 32 wide, whatever it stands for.
        monkeypatch.setattr(single_file, "WIDTHS", {32: "v2" if "v2" in kind else "v1"})
        export_file(Erasure(), pipeline, file)
        return pipeline, file

    return write


def images(pipeline: StableDiffusionPipeline) -> list[Any]:
    settings = SamplingDefaults(steps=3, guidance=4.0, width=WIDTH, height=WIDTH, batch_size=2)
    specs = [SampleSpec("a portrait of Ann", 1), SampleSpec("", 2)]
    return list(Sampler(pipeline, settings, NumericsProfile(batch_size=2)).images(specs))


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_goes_to_a_file_and_back(written: Any, kind: str) -> None:
    pipeline, file = written(kind)
    model = file_model(file)
    assert model.configs.name == kind
    again = file_pipeline(model)
    for part in ("unet", "vae", "text_encoder"):
        before, after = (getattr(each, part).state_dict() for each in (pipeline, again))
        assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert again.tokenizer.pad_token_id == pipeline.tokenizer.pad_token_id
    assert np.array_equal(images(pipeline), images(again))
    with safe_open(file, "pt") as opened:
        assert opened.metadata()[ARCHITECTURE] == KINDS[kind]


@pytest.mark.parametrize("kind", ["stable-diffusion-v1", "stable-diffusion-v2-v"])
def test_the_names_are_those_that_diffusers_converts_at_the_published_sizes(kind: str) -> None:
    configs = {part: json.loads((CONFIGS / kind / part / "config.json").read_text()) for part in ("unet", "vae")}
    with torch.device("meta"):
        unet, vae = UNet2DConditionModel.from_config(configs["unet"]), AutoencoderKL.from_config(configs["vae"])
    names = unet_names(unet)
    found = convert_ldm_unet_checkpoint({theirs: own for own, theirs in names.items()}, dict(unet.config))
    assert found == {own: own for own in unet.state_dict()} and len(found) == 686
    converted = convert_ldm_vae_checkpoint(vae_weights(vae), dict(vae.config))
    assert {name: value.shape for name, value in converted.items()} == {
        name: value.shape for name, value in vae.state_dict().items()
    }


@pytest.mark.parametrize("text", ["a photo of Adam Driver", "Élan vital!!  naïve 東京", "it's 1999", "", "x" * 400])
def test_the_tokenizer_is_clips(text: str) -> None:
    own = clip_tokenizer()(text, padding="max_length", max_length=77, truncation=True)["input_ids"]
    theirs = open_clip.get_tokenizer("ViT-B-32")([text])[0].tolist()
    end = theirs.index(49407)
    assert own == [*theirs[:end], *[49407] * (77 - end)]
    assert clip_tokenizer("!").pad_token_id == 0


@pytest.mark.parametrize("ending", ["safetensors", "ckpt"])
def test_a_file_is_sampled_as_a_folder_is(written: Any, tmp_path: Path, ending: str) -> None:
    pipeline, file = written("stable-diffusion-v1")
    if ending == "ckpt":
        file = file.with_suffix(".ckpt")
        # As trainers save it: beside other things, and with the averaged weights, which are not read.
        state = load_file(file.with_suffix(".safetensors"))
        torch.save({"state_dict": {**state, "model_ema.decay": torch.ones(())}, "global_step": 470000}, file)
    (tmp_path / "t.csv").write_text("prompt,seed\na ship,1\n")
    words = ["sample", "--world", "stable-diffusion", "--prompts", str(tmp_path / "t.csv"), "--steps", "2"]
    assert main([*words, "--model", str(file), "--out", str(tmp_path / "file")]) == 0
    pipeline.save_pretrained(tmp_path / "folder")
    assert main([*words, "--model", str(tmp_path / "folder"), "--out", str(tmp_path / "from-folder")]) == 0
    pixels = [next((tmp_path / out).glob("*.png")).read_bytes() for out in ("file", "from-folder")]
    assert pixels[0] == pixels[1]
    world = load_world("stable-diffusion", str(file))
    assert world.weights_digest() == load_world("stable-diffusion", str(file)).weights_digest()
    assert (world.sampling.width, world.sampling.steps, world.sampling.guidance) == (WIDTH, 50, 7.5)


def changed(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        state = load_file(file)
        change(state)
        save_file(state, file)

    return write


@pytest.mark.parametrize(
    ("write", "what"),
    [
        (changed(lambda state: state.pop("model.diffusion_model.out.2.bias")), "unet: missing weight conv_out.bias"),
        (
            changed(lambda state: state.update({"model.diffusion_model.out.2.bias": torch.zeros(5)})),
            r"conv_out.bias has the shape \[5\], not \[4\]",
        ),
        (
            changed(lambda state: state.pop("first_stage_model.decoder.conv_out.bias")),
            "vae: missing weight decoder.conv_out.bias",
        ),
        (
            changed(lambda state: state.pop("cond_stage_model.transformer.text_model.final_layer_norm.bias")),
            "text_encoder: missing weight",
        ),
    ],
)
def test_a_weight_that_is_missing_or_misshapen_is_named(written: Any, write: Callable[[Path], None], what: str) -> None:
    _, file = written("stable-diffusion-v1")
    write(file)
    with pytest.raises(UserError, match=what):
        file_pipeline(file_model(file))


def of_shapes(width: int, channels: int = 4, metadata: dict[str, str] | None = None) -> Callable[[Path], None]:
    names = {
        "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (3, width),
        "model.diffusion_model.input_blocks.0.0.weight": (3, channels),
        "first_stage_model.decoder.bias": (1,),
        "cond_stage_model.bias": (1,),
    }
    return lambda path: save_file({name: torch.zeros(shape) for name, shape in names.items()}, path, metadata)


@pytest.mark.parametrize(
    ("write", "what", "hint"),
    [
        (of_shapes(768, channels=9), "takes 9 channels", "inpainting"),
        (of_shapes(640), "text states have width 640", "folder"),
        (of_shapes(1024), "does not say what it predicts", ARCHITECTURE),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, write: Callable[[Path], None], what: str, hint: str) -> None:
    write(tmp_path / "m.safetensors")
    with pytest.raises(UserError, match=what) as refused:
        load_world("stable-diffusion", str(tmp_path / "m.safetensors"))
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    ("width", "said", "kind"),
    [
        (768, None, "stable-diffusion-v1"),
        (1024, "stable-diffusion-v2-768-v", "stable-diffusion-v2-v"),
        (1024, "stable-diffusion-v2-512", "stable-diffusion-v2-base"),
    ],
)
def test_the_kind_is_read_off_the_header(tmp_path: Path, width: int, said: str | None, kind: str) -> None:
    path = tmp_path / "m.safetensors"
    of_shapes(width, metadata=None if said is None else {ARCHITECTURE: said})(path)
    assert file_model(path) == FileModel(path, CONFIGS / kind)


def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path) -> None:
    class Runs:
        def __reduce__(self) -> Any:
            return (print, ("never",))

    torch.save({"state_dict": Runs()}, tmp_path / "m.ckpt")
    with pytest.raises(UserError, match="cannot be read as weights alone") as refused:
        load_world("stable-diffusion", str(tmp_path / "m.ckpt"))
    assert ".safetensors" in refused.value.hint


def test_a_world_without_a_model_asks_for_one() -> None:
    with pytest.raises(UserError, match="--world stable-diffusion has no model") as refused:
        load_world("stable-diffusion")
    assert "--model" in refused.value.hint


def test_a_model_of_few_steps_is_sampled_as_it_was_made_for(tmp_path: Path) -> None:
    pipeline = tiny_pipeline()
    pipeline.save_pretrained(tmp_path / "model")
    path = tmp_path / "model" / "scheduler" / "scheduler_config.json"
    config = json.loads(path.read_text()) | {"_class_name": "LCMScheduler"}
    path.write_text(json.dumps(config))
    world = load_world("stable-diffusion", str(tmp_path / "model"))
    world.sample_with({"guidance": 1.5})
    assert (world.sampling.steps, world.sampling.guidance, world.sampling.scheduler) == (4, 1.5, "lcm")


def test_an_edited_model_is_exported_as_one_file(written: Any, tmp_path: Path, capsys: Any) -> None:
    pipeline, _ = written("stable-diffusion-v1")
    pipeline.save_pretrained(tmp_path / "model")
    words = ["erase", "--method", "uce", "--suite", "celebrity", "--scale", "1", "--world", "stable-diffusion"]
    words += ["--model", str(tmp_path / "model"), "--runs-folder", str(tmp_path / "runs")]
    assert main([*words, "--export", str(tmp_path / "m.safetensors"), "--format", "single-file"]) == 0
    printed = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines() if ": " in line)
    assert printed["Model"] == str(tmp_path / "m.safetensors")
    erasure = Erasure.load(Path(printed["Erasure"]))
    again = file_pipeline(file_model(tmp_path / "m.safetensors"))
    assert torch.equal(dict(again.unet.named_parameters())[KEY.removeprefix("unet.")], erasure.tensors[KEY])
    assert main([*words, "--export", str(tmp_path / "n"), "--format", "single-file"]) == 2
    assert ".safetensors" in capsys.readouterr().err
    assert main([*words, "--export", str(tmp_path / "n.safetensors"), "--format", "singel-file"]) == 2
    assert "Did you mean 'single-file'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [
        lambda pipeline: pipeline.scheduler.register_to_config(prediction_type="v_prediction"),
        lambda pipeline: pipeline.vae.register_to_config(scaling_factor=0.5),
    ],
)
def test_a_model_that_a_file_would_not_describe_is_not_exported(
    written: Any, tmp_path: Path, change: Callable[[StableDiffusionPipeline], None]
) -> None:
    pipeline, _ = written("stable-diffusion-v1")
    change(pipeline)
    with pytest.raises(UserError, match=r"no stable-diffusion-v1 \((scheduler.prediction_type|vae.scaling_factor)"):
        export_file(Erasure(), pipeline, tmp_path / "other.safetensors")
    assert not (tmp_path / "other.safetensors").exists()


def test_a_change_of_sampling_is_not_written_as_a_file(tmp_path: Path) -> None:
    erasure = Erasure(sampling=NegativePrompt(phrases=("a ship",)))
    with pytest.raises(UserError, match="one file cannot store this"):
        export_file(erasure, tiny_pipeline(), tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())
