"""The keys of a LoRA's file: which format they are of, and that each of them will be used. Loads no library."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from erasebench.errors import UserError

from .source import PEFT_CONFIG

Format = Literal["kohya", "diffusers"]
DORA = "dora_scale"
MAGNITUDE = "lora_magnitude_vector"
PEFT_PREFIX = "base_model.model."
KOHYA = ("lora_unet_", "lora_te_")
# One of a pair's two factors, or what scales the pair, with the layer that it belongs to.
_KEYS: Mapping[Format, re.Pattern[str]] = {
    "kohya": re.compile(rf"(?P<layer>lora_(?:unet|te)_\w+)\.(?P<role>lora_down\.weight|lora_up\.weight|alpha|{DORA})$"),
    "diffusers": re.compile(
        r"(?P<layer>.+?)(?:\.|_|\.processor\.)?"
        r"(?P<role>lora_[AB]\.weight|lora\.(?:down|up)\.weight|lora_linear_layer\.(?:down|up)\.weight"
        rf"|{MAGNITUDE}(?:\.weight)?)$"
    ),
}
_FIRST = re.compile(r"lora_A|down")
_SECOND = re.compile(r"lora_B|up")
# Adapters that are no pair of factors, by what their keys hold.
_OTHER_KINDS = {
    r"hada_w|hada_t": "LoHa",
    r"lokr_": "LoKr",
    r"oft_|\.oft|boft": "OFT",
    r"\.(a1|a2|b1|b2|bm1|bm2)\.weight": "GLoRA",
    r"on_input|\.ia3": "IA3",
    r"lora_mid": "LoCon with Tucker factors",
    r"\.diff$|\.diff_b$|w_norm|b_norm|\.set_weight": "a whole difference of weights",
    r"bundle_emb|emb_params|string_to_param": "a text embedding",
    r"lora_te1_|lora_te2_|text_encoder_2\.": "a LoRA of two text encoders (SDXL)",
    r"\.bias$": "a bias",
}


def is_lora(keys: Iterable[str]) -> bool:
    """Whether these are an adapter's keys rather than weights'."""
    wanted = re.compile(r"lora|hada_w|lokr_|\.oft_|dora_scale|bundle_emb|\.diff(_b)?$")
    return any(wanted.search(key) for key in keys)


def format_of(keys: Iterable[str], path: Path) -> Format:
    """Whose names the file has. UserError, by its name, for a key that folding would leave out."""
    keys = list(keys)
    if any(key.startswith(PEFT_PREFIX) for key in keys):
        raise UserError(
            f"{path} is a peft adapter without its config.", f"Give the folder that contains {PEFT_CONFIG}."
        )
    form: Format = "kohya" if any(key.startswith(KOHYA) for key in keys) else "diffusers"
    roles: dict[str, set[str]] = {}
    for key in keys:
        match = _KEYS[form].match(key)
        if match is None or _other_kind(key):
            kind = next((name for pattern, name in _OTHER_KINDS.items() if re.search(pattern, key)), None)
            about = f" ({kind})" if kind else ""
            what = f"{path}: '{key}'{about} is not a LoRA tensor that erasebench can fold into weights."
            raise UserError(what, "Ask its maker to merge it into the model, and give the merged U-Net.")
        roles.setdefault(match["layer"], set()).add(match["role"])
    for layer, found in roles.items():
        if not (any(map(_FIRST.search, found)) and any(map(_SECOND.search, found))):
            what = f"{path}: the layer {layer} has only {', '.join(sorted(found))}."
            raise UserError(what, "The file is incomplete: get it again.")
    return form


def _other_kind(key: str) -> bool:
    return any(re.search(pattern, key) for pattern in _OTHER_KINDS)


def pairs_of(keys: Iterable[str]) -> int:
    """How many pairs of factors there are: each has a first one."""
    return sum(
        re.search(r"(lora_A|lora\.down|lora_down|lora_linear_layer\.down)\.(\w+\.)?weight$", k) is not None
        for k in keys
    )
