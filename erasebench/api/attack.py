"""The contract of an attack: prompts in, other prompts out that may bring an erased concept back; and its registry.

A package that brings an attack declares it in its own pyproject.toml:

    [project.entry-points."erasebench.attacks"]
    toy-shout = "their_package.toy_shout:ToyShout"
"""

from __future__ import annotations

import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from erasebench.api.registry import Registry, class_of, load_class
from erasebench.errors import UserError
from erasebench.identity import role_of

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline
    from PIL.Image import Image

    from erasebench.api.concepts import ErasureTask
    from erasebench.api.erasure import Erasure
    from erasebench.api.world import World

RESERVED = ("name", "group")
"""What a suite's YAML says of an attack beside its settings: no setting has one of these names."""
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,29}")
"""What an attack may be called: the name is part of metrics' keys."""
UNDER = "_under_"
"""Between a metric's key and the attack's name in the key of the metric under the attack: acc_e_under_toy_shout."""


class AttackConfig(BaseModel):
    """Base of every attack's settings: each field is an `identity_field` or a `runtime_field`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class AttackPrompt(NamedTuple):
    """One row of the group that is attacked, or what the attack made of it.

    `row`: its number in the run's prompt table. `concept`: the name that the judges look for ('' where a row is about
    none). `prompt`: what is sampled. `seed`: of the image's start noise, from 0 to 2**63 - 1.
    """

    row: int
    concept: str
    prompt: str
    seed: int


@dataclass(frozen=True)
class Target:
    """The model under attack, and what the attacker knows of it.

    `pipeline`: with the edit in place, applied by the runner; leave its weights as they are. `erasure`: that edit; of
    the unedited model an empty one. `task`: the concepts erased, their anchors and the names that were to be kept.
    """

    pipeline: StableDiffusionPipeline
    erasure: Erasure
    world: World
    task: ErasureTask


class AttackWorkspace(Protocol):
    """What an attack may use besides its target; one for each erasure, attack and setting."""

    device: torch.device
    seed: int
    """Of all that the attack draws: the same seed gives the same prompts."""
    folder: Path
    """Scratch space that belongs to this attack's identity and survives a kill: resuming lives here."""
    batch_size: int
    """Images that `sample` makes at a time: asked for as many, it leaves nothing idle."""

    def sample(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        steps: int | None = None,
        guidance: float | None = None,
        scheduler: str | None = None,
    ) -> list[Image]:
        """Images of the attacked model, one per prompt and seed; settings left out are the world's."""
        ...

    def progress(self, total: int, label: str) -> AbstractContextManager[Callable[[int], None]]:
        """A progress bar of `total` steps; call what it gives with the number of FURTHER steps done."""
        ...


class Attack(ABC):
    """A search for prompts under which an erased concept comes back. A subclass sets `name`, and `Config` for settings.

    The result is a string for each prompt: attacks that choose plain prompts (T0), that search text without the edited
    model's gradients (T1) or tokens with them (T2). Attacks whose result is an embedding (T3), a start image or a
    trajectory (T4) or weights (T5) have no contract yet.
    """

    name: ClassVar[str]
    Config: ClassVar[type[AttackConfig]] = AttackConfig

    def __init__(self, config: AttackConfig) -> None:
        self.config: Any = config

    @abstractmethod
    def attack(
        self, target: Target, prompts: Sequence[AttackPrompt], workspace: AttackWorkspace
    ) -> Sequence[AttackPrompt]:
        """For each of `prompts`, all rows of one group, the row to be sampled in its place.

        Each row is answered once, with its own `row` and `concept`; the prompt is not empty, and it and the seed may
        be unchanged. The runner samples what is returned with the same edit and has it judged as the group is.
        UserError for what keeps the attack from working here.
        """


ATTACKS: Registry[type[Attack]] = Registry("attack", "erasebench.attacks", class_of)


def load_attack(name: str) -> type[Attack]:
    """The attack registered under `name`, or the class that 'path/to/file.py:Class' names.

    UserError for an unknown name, a file that is missing, or a class that is not a whole attack.
    """
    attack: type[Attack] = load_class(ATTACKS, name, Attack)
    by_path = name.rpartition(":")[0].endswith(".py")
    if (wrong := _wrong(attack, None if by_path else name)) is not None:
        raise UserError(f"The attack {name} {wrong[0]}.", wrong[1])
    return attack


def key_of(name: str) -> str:
    """An attack's name as part of a metric's key: 'toy_shout' of 'toy-shout'."""
    return name.replace("-", "_")


def origin_of(name: str) -> str:
    """Where an attack comes from: 'module:Class (distribution version)', or the path that was given."""
    return name if name.rpartition(":")[0].endswith(".py") else ATTACKS.origin(name)


def _wrong(attack: type[Attack], registered: str | None) -> tuple[str, str] | None:
    """What keeps a class from being used as an attack, and what to do about it."""
    if inspect.isabstract(attack):
        return f"lacks {', '.join(sorted(attack.__abstractmethods__))}", "Write them in its class."
    own = getattr(attack, "name", "")
    if registered is not None and own != registered:
        return f"is called '{own}' in its class", f"Set name = '{registered}' in its class."
    if not NAME.fullmatch(own):
        hint = "Use up to 30 lower-case letters, digits and '-', beginning with a letter or digit."
        return f"is called {own!a} in its class, which cannot be part of a metric's key", hint
    for field in attack.Config.model_fields:
        if field in RESERVED:
            return f"has a setting '{field}', a word that suites use themselves", "Give the setting another name."
        try:
            role_of(attack.Config, field)
        except TypeError as error:
            return f"has a setting without a role ({error})", "Declare it with identity_field or runtime_field."
    return None
