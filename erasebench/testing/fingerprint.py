"""Everything about a pipeline that a method could leave changed."""

from __future__ import annotations

import json
from typing import Any

from diffusers import StableDiffusionPipeline

from erasebench.runner.session import weights_of

COMPONENTS = ("unet", "text_encoder", "vae")
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks")


def fingerprint(pipeline: StableDiffusionPipeline) -> dict[str, Any]:
    """Weights, gradients, modules, hooks, attention processors, scheduler and attributes, each under a name to read."""
    found: dict[str, Any] = {f"weight {name}": digest for name, digest in weights_of(pipeline).items()}
    for component in COMPONENTS:
        model = getattr(pipeline, component)
        for name, parameter in model.named_parameters():
            found[f"requires_grad of {component}.{name}"] = parameter.requires_grad
            found[f"gradient of {component}.{name}"] = parameter.grad is not None
            found[f"dtype and device of {component}.{name}"] = f"{parameter.dtype} {parameter.device}"
        for name, module in model.named_modules():
            found[f"module {component}.{name}"] = type(module).__qualname__
            found[f"training mode of {component}.{name}"] = module.training
            found[f"hooks of {component}.{name}"] = [len(getattr(module, hooks)) for hooks in HOOKS]
            found[f"replaced forward of {component}.{name}"] = "forward" in vars(module)
            found[f"attention processor of {component}.{name}"] = id(getattr(module, "processor", None))
    for name, value in vars(pipeline).items():
        # Underscored ones are what diffusers notes during a call.
        if not name.startswith("_"):
            found[f"attribute {name} of the pipeline"] = id(value) if name in pipeline.components else repr(value)
    found["config of the scheduler"] = json.dumps(dict(pipeline.scheduler.config), default=str, sort_keys=True)
    found["length of the tokenizer"] = len(pipeline.tokenizer)
    return found


def difference(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The names under which two fingerprints differ."""
    return [name for name in {**before, **after} if before.get(name) != after.get(name)]
