"""What a section of the check may use."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from erasebench.bench.clock import Clock

Found = dict[str, Any]
"""What a section found: JSON values, by what they are."""
NO_TIME = "left out: no time"


class Check(NamedTuple):
    """The clock of the device, and whether sizes are tiny: a CPU does these in seconds, to try the check itself."""

    clock: Clock
    tiny: bool

    @property
    def device(self) -> torch.device:
        """The device that is checked."""
        return self.clock.device

    def enough(self, seconds: float) -> bool:
        """Whether so much time is left; always where the sizes are tiny."""
        return self.tiny or self.clock.left > seconds
