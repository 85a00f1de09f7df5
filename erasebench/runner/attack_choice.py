"""Which attacks a job is given, by its suite and by the user, with their settings resolved. Loads no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError

from erasebench.api.attack import UNDER, Attack, AttackConfig, key_of, load_attack, origin_of
from erasebench.api.groups import Group
from erasebench.api.registry import ending_no_program
from erasebench.errors import UserError, did_you_mean
from erasebench.files.yaml_file import yaml_value
from erasebench.identity import identity_of
from erasebench.runner.request import Request, version_of
from erasebench.suite.suite import AskedAttack, Suite


@dataclass(frozen=True)
class ChosenAttack:
    """An attack with its settings and the group that it starts from; `asked` is how the user or the suite named it."""

    asked: str
    attack: type[Attack]
    config: AttackConfig
    group: Group

    @property
    def name(self) -> str:
        """The attack's name."""
        return self.attack.name

    @property
    def ending(self) -> str:
        """What the keys of its metrics end in: '_under_toy_shout'."""
        return f"{UNDER}{key_of(self.name)}"

    @property
    def described(self) -> str:
        """For messages: 'The attack toy-shout (their_package.toy_shout:ToyShout (their-package 0.3))'."""
        return f"The attack {self.name} ({origin_of(self.asked)})"

    @property
    def identity(self) -> dict[str, Any]:
        """Everything of the attack that decides its prompts, but the model, the rows and the seed that it is given."""
        return {
            "attack": self.name,
            "version": version_of(self.attack),
            "config": identity_of(self.config),
            "group": self.group,
        }


def check_attack_settings(request: Request, suites: Iterable[Suite]) -> None:
    """UserError for a setting that is not of the form attack.field, or names an attack that does not run."""
    asked = {*request.attacks, *(attack.name for suite in suites for attack in suite.attacks)}
    known = {load_attack(name).name for name in asked}
    for key in request.attack_settings:
        owner, _, field = key.partition(".")
        if not owner or not field:
            what = f"--attack-set {key} names no field."
            raise UserError(what, "Write --attack-set attack.field=value, e.g. my-attack.steps=20.")
        if owner not in known:
            what = f"--attack-set {key}: the attack '{owner}' is not part of this run."
            raise UserError(what, did_you_mean(owner, known))


def choose_attacks(suite: Suite, request: Request) -> tuple[ChosenAttack, ...]:
    """The suite's attacks, then those that the user adds, each with the user's settings.

    UserError for an unknown attack, group or setting, a wrong value, and one attack that is asked for under two names.
    """
    asked = {attack.name: attack for attack in suite.attacks}
    chosen = [_chosen(name, asked.get(name), suite, request) for name in dict.fromkeys((*asked, *request.attacks))]
    names = [each.name for each in chosen]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"The attack '{twice[0]}' is asked for twice on {suite.name}.", "Ask for it once.")
    return tuple(chosen)


def _chosen(name: str, by_suite: AskedAttack | None, suite: Suite, request: Request) -> ChosenAttack:
    attack = load_attack(name)
    values = dict(by_suite.settings if by_suite else {}) | _given(attack.name, request.attack_settings)
    group = str(values.pop("group", by_suite.group if by_suite else "erased"))
    if group not in suite.groups:
        what = f"The attack {attack.name}: the suite {suite.name} has no group '{group}' of prompts."
        raise UserError(what, did_you_mean(group, suite.groups))
    known = attack.Config.model_fields
    for field in values:
        if field not in known:
            hint = did_you_mean(field, (*known, "group"))
            raise UserError(f"The attack {attack.name} has no setting '{field}'.", hint)
    try:
        config = attack.Config.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join((attack.name, *map(str, first["loc"])))
        field = str(first["loc"][0]) if first["loc"] else ""
        hint = (known[field].description if field in known else None) or f"Its settings: {', '.join(known) or 'none'}."
        raise UserError(f"The setting {where}: {first['msg']}, not {first['input']!r}.", hint) from error
    # An attack may refuse its settings as a whole, and does it before any work.
    with ending_no_program(f"The attack {attack.name} cannot be made"):
        attack(config)
    return ChosenAttack(name, attack, config, next(each for each in get_args(Group) if each == group))


def _given(name: str, settings: Mapping[str, str]) -> dict[str, Any]:
    """The user's settings of one attack; `group` among them, which is no setting of its own."""
    found: dict[str, Any] = {}
    for key, text in settings.items():
        owner, _, field = key.partition(".")
        if owner != name:
            continue
        try:
            found[field] = yaml_value(text)
        except ValueError as error:
            hint = "Write a number, true, false, a word or a list; other text in quotes."
            raise UserError(f"--attack-set {key}={text} is not a value: {error}.", hint) from error
    return found
