"""What a model folder in diffusers' format is, by its configs and file names: no weight is read, torch not loaded.

A model that cannot be used is refused here, when it is opened and before anything is sampled or erased.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from erasebench.errors import UserError

COMPONENTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
CLASSES = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL", "text_encoder": "CLIPTextModel"}
VARIANTS = ("fp16", "bf16")
"""Endings of half-precision files, read where a part has no others."""
HINT = (
    "Give a folder in diffusers' format (model_index.json, unet, vae, text_encoder, ...), a model's file or a hub id."
)
_OTHER_INPUTS = {
    9: "an inpainting model's",
    8: "that of a model that edits a given image (InstructPix2Pix)",
    7: "an upscaler's",
    5: "a depth-to-image model's",
}
_WEIGHTS = re.compile(
    r"(?:diffusion_pytorch_model|model|pytorch_model)"
    r"(?:\.(?P<variant>(?!safetensors|bin)\w+))?(?:-\d+-of-\d+)?\.(?:safetensors|bin)(?:\.index(?:\.(?P<of>\w+))?\.json)?"
)
_PREDICTIONS = ("epsilon", "v_prediction", "sample")


class FewSteps(NamedTuple):
    """A model that is not sampled as Stable Diffusion v1.x is: what it is, and what to sample it with."""

    what: str
    steps: int
    guidance: float
    scheduler: str

    @property
    def settings(self) -> dict[str, Any]:
        """As fields of SamplingDefaults."""
        return {"steps": self.steps, "guidance": self.guidance, "scheduler": self.scheduler}

    @property
    def options(self) -> str:
        """As words of the command line."""
        return f"--steps {self.steps} --guidance {self.guidance:g} --scheduler {self.scheduler}"


def checked_folder(folder: Path) -> Path:
    """`folder`, where it is a Stable Diffusion v1.x or v2.x model that can be sampled. UserError: why not."""
    if not folder.is_dir():
        raise UserError(f"There is no model folder {folder}.", HINT)
    if not (folder / "model_index.json").is_file():
        raise UserError(f"{folder} is not a model folder: it has no model_index.json.", HINT)
    index = read_config(folder / "model_index.json")
    if (kind := index.get("_class_name")) != "StableDiffusionPipeline":
        what = f"{folder} contains a {kind}, not a StableDiffusionPipeline."
        raise UserError(what, "Give a Stable Diffusion v1.x or v2.x model.")
    for part in COMPONENTS:
        if not (folder / part).is_dir():
            raise UserError(f"{folder} lacks its {part} folder.", HINT)
    # transformers makes an empty tokenizer out of an empty folder, without a word.
    if not any((folder / "tokenizer" / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        raise UserError(f"{folder / 'tokenizer'} has neither tokenizer.json nor vocab.json.", HINT)
    for part, expected in CLASSES.items():
        found = index.get(part)
        if isinstance(found, list) and found[-1] != expected:
            what = f"{folder}: its {part} is a {found[-1]}, but erasebench reads a {expected}."
            raise UserError(what, "Give a Stable Diffusion v1.x or v2.x model.")
        variant(folder / part)
    _check_configs(folder)
    return folder


def read_config(path: Path) -> dict[str, Any]:
    """A config of the folder. UserError where it cannot be read or is not a JSON object."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).", "Get the model again.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON ({error}).", "Get the model again.") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} does not contain a JSON object.", "Get the model again.")
    return content


def _check_configs(folder: Path) -> None:
    unet, vae = (read_config(folder / part / "config.json") for part in ("unet", "vae"))
    hint = "Give a text-to-image model of Stable Diffusion v1.x or v2.x."
    takes, latents = unet.get("in_channels", 4), vae.get("latent_channels", 4)
    if takes != latents:
        whose = f", as {_OTHER_INPUTS[takes]} does" if takes in _OTHER_INPUTS else ""
        raise UserError(f"{folder}: the U-Net takes {takes} channels{whose}, but the autoencoder has {latents}.", hint)
    if unet.get("out_channels", 4) != latents:
        what = f"{folder}: the U-Net returns {unet['out_channels']} channels, but the autoencoder has {latents}."
        raise UserError(what, hint)
    for key in ("addition_embed_type", "class_embed_type", "encoder_hid_dim_type"):
        if unet.get(key) is not None:
            what = (
                f"{folder}: the U-Net needs more inputs than latents, a timestep and text states ({key}: {unet[key]})."
            )
            raise UserError(what, hint)
    latent_size(folder)
    if len(vae.get("block_out_channels") or ()) < 1:
        raise UserError(f"{folder / 'vae' / 'config.json'} has no readable block_out_channels.", "Get the model again.")
    kind = read_config(folder / "text_encoder" / "config.json").get("model_type", "clip_text_model")
    if kind not in ("clip_text_model", "clip"):
        raise UserError(f"{folder}: the text encoder has the type {kind}, not CLIP's.", hint)
    scheduler = read_config(folder / "scheduler" / "scheduler_config.json")
    name, predicts = str(scheduler.get("_class_name")), scheduler.get("prediction_type", "epsilon")
    if name.startswith(("FlowMatch", "EDM", "CosineDPM")) or scheduler.get("use_flow_sigmas"):
        raise UserError(
            f"{folder}: the scheduler {name} does not belong to Stable Diffusion's diffusion process.", hint
        )
    if predicts not in _PREDICTIONS:
        what = f"{folder}: the model predicts '{predicts}', but erasebench supports only {', '.join(_PREDICTIONS)}."
        raise UserError(what, hint)


def latent_size(folder: Path) -> tuple[int, int]:
    """Height and width of the latents that the U-Net was trained on. UserError where its config does not say."""
    path = folder / "unet" / "config.json"
    size = read_config(path).get("sample_size")
    sides: list[Any] = size if isinstance(size, list) else [size, size]
    if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
        raise UserError(
            f"{path}: sample_size is {json.dumps(size)}, so the size of the model's images is not known.",
            "Write it into that file: 64 for images of 512 x 512 pixels, 96 for 768 x 768, [height, width] for others.",
        )
    return sides[0], sides[1]


def variant(part: Path) -> str | None:
    """Which of the part's weights are read: None for its usual files, a half-precision variant where it alone is there.

    UserError where there are none that can be read.
    """
    found = set(_variants(part))
    if None in found:
        return None
    for half in VARIANTS:
        if half in found:
            return half
    others = f" (only the variant {', '.join(sorted(map(str, found)))})" if found else ""
    raise UserError(f"{part} has no weights{others}: no .safetensors and no .bin.", "Get the complete model again.")


def _variants(part: Path) -> Iterator[str | None]:
    for path in part.iterdir():
        if path.is_file() and (match := _WEIGHTS.fullmatch(path.name)):
            yield match["variant"] or match["of"]


def read_files(folder: Path) -> list[Path]:
    """The files of the five components that diffusers reads: no other variant, no .bin beside its .safetensors."""
    return [
        path
        for part in COMPONENTS
        for path in sorted((folder / part).glob("*"))
        if _is_read(path, variant(folder / part) if part in CLASSES else None)
    ]


def _is_read(path: Path, wanted: str | None) -> bool:
    if not path.is_file() or path.name.startswith(".") or ".non_ema." in path.name:
        return False
    halves = [half for half in VARIANTS if re.search(rf"\.{half}[.-]", path.name)]
    if halves and wanted not in halves:
        return False
    twin = path.name.replace("pytorch_model", "model") if path.name.startswith("pytorch_model") else path.name
    return path.suffix != ".bin" or not path.with_name(f"{twin.removesuffix('.bin')}.safetensors").exists()


def few_steps(folder: Path) -> FewSteps | None:
    """Whether the model was distilled to be sampled in few steps without guidance, as far as its configs say."""
    scheduler = read_config(folder / "scheduler" / "scheduler_config.json")
    name = str(scheduler.get("_class_name"))
    if read_config(folder / "unet" / "config.json").get("time_cond_proj_dim") is not None:
        return FewSteps("a latent-consistency model", 4, 8.0, "lcm")
    if name == "LCMScheduler":
        # Without that input the U-Net knows no guidance scale: a scale over 1 is classifier-free guidance.
        return FewSteps("a latent-consistency model", 4, 1.0, "lcm")
    if name == "TCDScheduler":
        return FewSteps("a model distilled to few steps (TCD)", 8, 0.0, "ddim")
    trailing = scheduler.get("timestep_spacing") == "trailing" and not scheduler.get("rescale_betas_zero_snr")
    kinds = {"EulerAncestralDiscreteScheduler": "euler-ancestral", "EulerDiscreteScheduler": "euler"}
    if trailing and name in kinds and scheduler.get("prediction_type", "epsilon") == "epsilon":
        return FewSteps(
            f"saved with a trailing {name}, as Turbo, Lightning and Hyper models are",
            *(4, 0.0, kinds[name]),
        )
    return None
