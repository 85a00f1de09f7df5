"""Whether the judges of a suite are there, and can tell what is erased: asked before any work."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from erasebench.api.judges import JUDGES, load_judge
from erasebench.api.world import World, own_worlds
from erasebench.errors import UserError, did_you_mean
from erasebench.suite.selection import Selection
from erasebench.suite.suite import Suite

log = logging.getLogger(__name__)


def check_judges_know(suite: Suite, world: World, chosen: Iterable[Selection]) -> None:
    """UserError for a concept of the user's own that a judge of the erased cannot tell."""
    for name in dict.fromkeys(name for selection in chosen for name in selection.new):
        for judge in suite.groups["erased"].judges:
            if judge in JUDGES.names() and judge not in world.judges:
                continue
            if (reason := world.cannot_judge(judge, name)) is not None:
                raise UserError(
                    f"The judge {judge} of the suite {suite.name} cannot tell '{name}': {reason}.",
                    "Erase without measuring (erasebench erase ... --export FOLDER), or write a suite's file with "
                    "judges that can: clip-score, clip-accuracy.",
                )


def check_judges(suite: Suite, world: World) -> None:
    """UserError for a judge that neither this world, nor erasebench's own, nor a package has; a warning where it may be
    absent.

    One that another of these has, and this world lacks, leaves its figures unscored, and the record says so.
    """
    for group, judges in suite.groups.items():
        for name in (*judges.judges, *judges.where_available):
            if name in world.judges or name in (known := _known_judges(world)):
                continue
            what = f"The suite {suite.name} has its group {group} judged by '{name}', which no world or package brings."
            if name in judges.judges:
                raise UserError(what, did_you_mean(name, known))
            log.warning("%s %s", what, did_you_mean(name, known))


def check_headline(suite: Suite) -> None:
    """UserError where no judge of the suite gives the metric that ranks it: nothing would come of the run."""
    from erasebench.judges.figures.absent import metrics_named

    given: set[str] = set()
    for group in suite.groups.values():
        for judge in (*group.judges, *group.where_available):
            if (named := metrics_named(judge)) is None:
                return
            given |= named
    if suite.table.headline not in given:
        raise UserError(
            f"No judge of the suite {suite.name} gives '{suite.table.headline}', the metric that ranks it.",
            did_you_mean(suite.table.headline, given),
        )


def check_judge_settings(world: World) -> None:
    """UserError for a setting of a judge that no package brings, and one that such a judge does not take."""
    settings = world.judge_settings
    for name in settings.packages:
        if name not in JUDGES.names():
            raise UserError(f"No package brings a judge '{name}'.", did_you_mean(name, JUDGES.names()))
        settings.of_package(name, load_judge(name).Config)


def _known_judges(world: World) -> set[str]:
    return set(world.judges).union(JUDGES.names(), *(own.judges for own in own_worlds().values()))
