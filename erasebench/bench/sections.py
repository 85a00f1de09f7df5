"""The sections of the check in the order in which they run: what a run that is cut short should know comes first."""

from __future__ import annotations

from erasebench.bench.ceilings import ceilings
from erasebench.bench.cuda_tests import tests
from erasebench.bench.erasing import erasing
from erasebench.bench.miniature import miniature
from erasebench.bench.sampling import network, sampling

SECTIONS = {section.__name__: section for section in (ceilings, miniature, sampling, erasing, network, tests)}
