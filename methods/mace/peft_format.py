"""A concept's LoRA as a folder that peft reads, and back. It is also how a killed erasure resumes."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from erasebench.errors import UserError
from erasebench.files.sealed import sealed_write, write_sealed_json

from .lora import Lora

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
PREFIX = "base_model.model."


def export_lora(lora: Lora, folder: Path) -> None:
    """Write peft's adapter folder: load it with PeftModel.from_pretrained(unet, folder) on the REFINED U-Net.

    The weights come last, so their existence means that the folder is whole.
    """
    rank = next(iter(lora.down.values())).shape[0]
    write_sealed_json(
        folder / CONFIG_FILE,
        {
            "peft_type": "LORA",
            "task_type": None,
            "base_model_name_or_path": None,
            "r": rank,
            # peft scales by alpha / r; MACE's scale is 1.
            "lora_alpha": rank,
            "target_modules": list(lora.down),
            "lora_dropout": 0.0,
            "bias": "none",
            "fan_in_fan_out": False,
            "inference_mode": True,
        },
    )
    tensors = {f"{PREFIX}{name}.lora_A.weight": values.contiguous() for name, values in lora.down.items()}
    tensors |= {f"{PREFIX}{name}.lora_B.weight": values.contiguous() for name, values in lora.up.items()}
    with sealed_write(folder / WEIGHTS_FILE) as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})


def import_lora(folder: Path) -> Lora:
    """The LoRA of a peft adapter folder, peft's scale folded into B. UserError for anything but plain LoRA pairs."""
    hint = "Give a folder with peft's adapter_config.json and adapter_model.safetensors of a plain LoRA."
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        tensors = load_file(folder / WEIGHTS_FILE)
        scale = config["lora_alpha"] / (config["r"] ** 0.5 if config.get("use_rslora") else config["r"])
    except (OSError, SafetensorError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise UserError(f"No readable LoRA in {folder} ({error}).", hint) from error
    parts = {
        part: {
            name.removeprefix(PREFIX).removesuffix(f".{part}.weight"): values
            for name, values in tensors.items()
            if name.endswith(f".{part}.weight")
        }
        for part in ("lora_A", "lora_B")
    }
    if not parts["lora_A"] or set(parts["lora_A"]) != set(parts["lora_B"]) or len(tensors) != 2 * len(parts["lora_A"]):
        raise UserError(f"{folder / WEIGHTS_FILE} contains tensors other than pairs of lora_A and lora_B.", hint)
    return Lora(parts["lora_A"], {name: values * scale for name, values in parts["lora_B"].items()})
