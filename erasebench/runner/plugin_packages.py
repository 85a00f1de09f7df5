"""The other packages that a result rests on: those that bring its method, suite, world, judges and attacks."""

from __future__ import annotations

from typing import Any

from erasebench.api.attack import ATTACKS
from erasebench.api.judges import JUDGES
from erasebench.api.method import METHODS
from erasebench.api.registry import Registry
from erasebench.api.world import WORLDS
from erasebench.runner.job import Job
from erasebench.suite.suite import SUITES


def plugin_packages(job: Job) -> dict[str, str]:
    """Their versions by name; what is given as a file belongs to no package."""
    used: list[tuple[Registry[Any], tuple[str, ...]]] = [
        (METHODS, (job.chosen.asked,)),
        (SUITES, (job.suite_asked,)),
        (WORLDS, (job.request.world or job.world.name,)),
        (JUDGES, tuple(job.package_judges)),
        (ATTACKS, tuple(each.name for each in job.attacks)),
    ]
    found = (registry.package(name) for registry, names in used for name in names if name in registry.names())
    return {package[0]: package[1] for package in found if package is not None}
