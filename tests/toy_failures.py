"""Methods and worlds for tests that raise whatever code can raise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from erasebench.api.concepts import ErasureTask
from erasebench.api.judge import Judge
from erasebench.api.method import MethodConfig, Workspace
from erasebench.identity import identity_field
from tests.toy_world import BrightnessJudge, Shift, ToyWorld

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline

    from erasebench.api.erasure import Erasure


class Unheard(BaseException):
    """No Exception at all."""


RAISED: dict[str, BaseException] = {
    "exit": SystemExit("no GPU"),
    "stop": StopIteration(),
    "generator": GeneratorExit(),
    "own": Unheard("of my own"),
    "recursion": RecursionError("too deep"),
    "text": UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    "interrupt": KeyboardInterrupt(),
}


class RaisingConfig(MethodConfig):
    what: str = identity_field("exit", "Which error", source="ours")


class Raising(Shift):
    """Raises the error that its setting names."""

    name: ClassVar[str] = "raising"
    Config: ClassVar[type[MethodConfig]] = RaisingConfig

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        raise RAISED[self.config.what]


class RaisingJudge(BrightnessJudge):
    """Ends the program as it judges."""

    def score(self, *_: Any) -> Any:
        raise SystemExit("no GPU")


class RaisingIdentity(BrightnessJudge):
    """Does not even say who it is."""

    def identity(self) -> dict[str, Any]:
        raise LookupError("no weights listed")


class WorldOfRaisingJudge(ToyWorld):
    """Its recogniser raises."""

    recogniser: ClassVar[type[Judge]] = RaisingJudge

    def judge(self, name: str, device: torch.device | str = "cpu") -> Judge:
        return self.recogniser() if name == "face-id" else super().judge(name, device)


class WorldOfRaisingIdentity(WorldOfRaisingJudge):
    """So does this one's, earlier."""

    recogniser: ClassVar[type[Judge]] = RaisingIdentity
