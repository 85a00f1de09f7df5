"""Attacks for tests on the toy world: one that shouts, and one for each mistake that an attack can make."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

from erasebench.api.attack import Attack, AttackConfig, AttackPrompt, AttackWorkspace, Target
from erasebench.errors import UserError
from erasebench.identity import identity_field, runtime_field


class ShoutConfig(AttackConfig):
    word: str = identity_field("please", "Added to every prompt", min_length=1)
    times: int = identity_field(1, "How often it is added", ge=1)
    tries: int = runtime_field(1, "Times it is announced", ge=1)


class Shout(Attack):
    """Shouts the prompt and adds a word; says in its scratch folder what it was given."""

    name: ClassVar[str] = "toy-shout"
    Config: ClassVar[type[AttackConfig]] = ShoutConfig

    def attack(
        self, target: Target, prompts: Sequence[AttackPrompt], workspace: AttackWorkspace
    ) -> Sequence[AttackPrompt]:
        (workspace.folder / f"begun-{len(list(workspace.folder.iterdir()))}").touch()
        images = workspace.sample([prompts[0].prompt], [prompts[0].seed])
        notes = [target.world.name, str(len(target.erasure.tensors)), str(workspace.seed), str(images[0].size)]
        (workspace.folder / "notes.txt").write_text(" ".join(notes))
        with workspace.progress(self.config.tries, "shout") as advance:
            advance(self.config.tries)
        ending = f" {self.config.word}" * self.config.times
        # In another order than they came: rows say which is which.
        return [each._replace(prompt=each.prompt.upper() + ending) for each in reversed(prompts)]


class Wrong(Attack):
    """Answers, or does, what the environment variable TOY_WRONG says."""

    name: ClassVar[str] = "toy-wrong"

    def attack(
        self, target: Target, prompts: Sequence[AttackPrompt], workspace: AttackWorkspace
    ) -> Sequence[AttackPrompt]:
        what = os.environ["TOY_WRONG"]
        if what == "raises":
            raise KeyError("no-such-token")
        if what == "refuses":
            raise UserError("It knows no such model.", "Use another.")
        if what == "exits":
            raise SystemExit(3)
        if what == "vandal":
            with torch.no_grad():
                next(target.pipeline.vae.parameters()).add_(1.0)
        return answers(list(prompts))[what]


def answers(prompts: list[AttackPrompt]) -> dict[str, Any]:
    """By what is wrong with it, an answer."""
    first, *rest = prompts

    def instead(**values: Any) -> list[Any]:
        return [first._replace(**values), *rest]

    return {
        "vandal": prompts,
        "no list": "a string",
        "none": None,
        "rows of strings": [each.prompt for each in prompts],
        "a row missing": rest,
        "a row twice": [first, *prompts],
        "an unknown row": instead(row=10**6),
        "another concept": instead(concept="Nobody"),
        "an empty prompt": instead(prompt="  "),
        "a NUL": instead(prompt="a\0b"),
        "no text": instead(prompt=3),
        "half a character": instead(prompt="\ud800"),
        "too long": instead(prompt="a" * 10_001),
        "a negative seed": instead(seed=-1),
        "a seed of another type": instead(seed=1.5),
    }


class Unnamed(Shout):
    name: ClassVar[str] = "Toy_Shout"


class Abstract(Attack):
    name: ClassVar[str] = "toy-abstract"


class GroupConfig(AttackConfig):
    group: str = identity_field("", "A word that suites use")


class Grouped(Shout):
    name: ClassVar[str] = "toy-grouped"
    Config: ClassVar[type[AttackConfig]] = GroupConfig


class PlainConfig(AttackConfig):
    steps: int = 3


class Plain(Shout):
    name: ClassVar[str] = "toy-plain"
    Config: ClassVar[type[AttackConfig]] = PlainConfig


ATTACKS = f"{Path(__file__)}:"
