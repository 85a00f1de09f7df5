"""Somebody else's attack: it shouts the prompt and adds a word."""

from erasebench.api.attack import Attack, AttackConfig
from erasebench.identity import identity_field


class ToyShoutConfig(AttackConfig):
    word: str = identity_field("please", "Added to every prompt", min_length=1)


class ToyShout(Attack):
    name = "toy-shout"
    Config = ToyShoutConfig

    def attack(self, target, prompts, workspace):
        return [each._replace(prompt=f"{each.prompt.upper()} {self.config.word}") for each in prompts]
