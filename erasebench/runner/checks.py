"""Whether the judges of a suite are there, and can tell what is erased: asked before any work."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from erasebench.api.attack import UNDER, key_of, load_attack
from erasebench.api.judges import is_packages, load_judge, metrics_of, package_judges
from erasebench.api.world import World, own_worlds
from erasebench.errors import UserError, did_you_mean
from erasebench.suite.selection import Selection
from erasebench.suite.suite import AskedAttack, Suite

if TYPE_CHECKING:
    from erasebench.api.judge_metrics import Metrics

log = logging.getLogger(__name__)


def check_judges_know(suite: Suite, world: World, chosen: Iterable[Selection]) -> None:
    """UserError for a concept of the user's own that a judge of the erased cannot tell."""
    for name in dict.fromkeys(name for selection in chosen for name in selection.new):
        for judge in suite.groups["erased"].judges:
            if is_packages(judge, world):
                continue
            if (reason := world.cannot_judge(judge, name)) is not None:
                raise UserError(
                    f"The judge {judge} of the suite {suite.name} cannot recognise '{name}': {reason}.",
                    "Erase without measuring (erasebench erase ... --export FOLDER), or write a suite file with "
                    "judges that can recognise it: clip-score, clip-accuracy.",
                )


def check_judges(suite: Suite, world: World) -> None:
    """UserError for a judge that neither this world, nor erasebench's own, nor a package has; a warning where it may be
    absent.

    One that another of these has, and this world lacks, leaves its metrics unscored, and the record says so.
    """
    for group, judges in suite.groups.items():
        for name in (*judges.judges, *judges.where_available):
            if name in world.judges or name in (known := _known_judges(world)):
                continue
            what = f"The suite {suite.name} uses the judge '{name}' for {group}. No world or package provides it."
            if name in judges.judges:
                raise UserError(what, did_you_mean(name, known))
            log.warning("%s %s", what, did_you_mean(name, known))


def check_metrics(suite: Suite) -> None:
    """UserError for a package's judge that is not whole, and where no judge gives the metric that ranks the suite.

    A warning for every other column that no judge of the suite gives.
    """
    from erasebench.metrics.missing import metrics_named

    judges = [name for group in suite.groups.values() for name in (*group.judges, *group.where_available)]
    for name in dict.fromkeys(judges):
        if name in package_judges():
            load_judge(name)
    found = [metrics_of(name) for name in judges]
    known = [metrics for metrics in found if metrics is not None]
    if len(known) < len(found):
        return  # a judge of another world, whose metrics are not known here
    named = frozenset[str]().union(*map(metrics_named, known))
    for column in suite.table.columns:
        if any(_can_give(metrics, column.key, suite) for metrics in known):
            continue
        what = f"No judge of the suite {suite.name} computes '{column.key}'"
        if column.key == suite.table.primary_metric:
            if not any(_is_under(suite, asked) for asked in suite.attacks):
                raise UserError(f"{what}, the metric that ranks its table.", did_you_mean(column.key, named))
        elif UNDER not in column.key:  # one under an attack may come with --attack
            log.warning("%s, so its table does not show that column. %s", what, did_you_mean(column.key, named))


def _can_give(metrics: Metrics, name: str, suite: Suite) -> bool:
    """Whether a judge may give a metric on the groups that the suite has."""
    from erasebench.metrics.parts import PARTS

    parts = {**PARTS, "general": ("general",)}
    there = {part: int(any(group in suite.groups for group in groups)) for part, groups in parts.items()}
    elsewhere = name in metrics.expected(dict.fromkeys(parts, 1)) and name not in metrics.expected(there)
    return metrics.can_give(name) and not elsewhere


def _is_under(suite: Suite, asked: AskedAttack) -> bool:
    """Whether the metric that ranks the suite is one of the attacked group; False too for a composite over several."""
    import pandas as pd

    from erasebench.metrics.missing import Unavailable, unavailable_metrics

    base, under, name = suite.table.primary_metric.rpartition(UNDER)
    if not under or name != key_of(load_attack(asked.name).name):
        return False
    table, unknown = pd.DataFrame({"group": [asked.group]}), Unavailable("not judged yet", (asked.group,))
    group = suite.groups[asked.group]
    known = [metrics_of(judge) for judge in (*group.judges, *group.where_available)]
    found = [None if metrics is None else unavailable_metrics(metrics, table, unknown) for metrics in known]
    # A judge need not say what it expects.
    return any(not named or base in named for named in found)


def check_judge_settings(world: World, suites: Iterable[Suite]) -> None:
    """UserError for a setting of a judge that no package brings or no suite asks, or that the judge does not take."""
    settings = world.judge_settings
    asked = {name for suite in suites for name in suite.all_judges(world)}
    for name in settings.packages:
        if name not in package_judges():
            raise UserError(f"No package provides a judge '{name}'.", did_you_mean(name, package_judges()))
        if name not in asked:
            raise UserError(f"No suite of this run uses the judge '{name}'.", "Leave its settings out.")
        settings.of_package(name, load_judge(name).Config)


def _known_judges(world: World) -> set[str]:
    return set(world.judges).union(package_judges(), *(own.judges for own in own_worlds().values()))
