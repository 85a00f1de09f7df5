"""What erasebench does on a GPU, in about eight minutes: python -m erasebench.bench.gpu --out FOLDER

Sections: ceilings of the card; the miniature against the CPU; sampling, erasing and the U-Net alone at Stable Diffusion
v1.4's shapes, with random weights made on the card; the tests that need CUDA. Each is printed when it is done and
written to FOLDER/check.json, so that a run that is cut short has what it has measured. --only chooses sections;
--device cpu --tiny runs the same code anywhere in a minute.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from erasebench.files.atomic import write_json
from erasebench.runner.packages import installed_packages


def main(words: Sequence[str] | None = None) -> int:
    """Run the check; 1 where a section broke off or tests failed, and 2 for a device that is not there."""
    asked = _parser().parse_args(words)
    import torch

    from erasebench.bench.check import NO_TIME, Check
    from erasebench.bench.clock import Clock
    from erasebench.bench.sections import SECTIONS

    only = [name for name in asked.only.split(",") if name] or list(SECTIONS)
    if unknown := [name for name in only if name not in SECTIONS]:
        print(f"There is no section '{unknown[0]}'. Available: {', '.join(SECTIONS)}.")
        return 2
    if asked.device.startswith("cuda") and not torch.cuda.is_available():
        print("torch finds no CUDA device. Run it on a machine with one, or try it with --device cpu --tiny.")
        return 2
    asked.out.mkdir(parents=True, exist_ok=True)
    check = Check(Clock(asked.device, asked.seconds), asked.tiny)
    result: dict[str, Any] = {"machine": _machine(asked.device), "tiny": asked.tiny, "command": _command(asked, only)}
    broken = False
    for name in only:
        start = time.monotonic()
        if not check.enough(20):
            result[name] = NO_TIME
        else:
            try:
                result[name] = SECTIONS[name](check)
                broken |= result[name].get("exit code", 0) != 0
            except Exception as error:
                # The other sections are worth having: what a card cannot do is a finding too.
                result[name] = {"broke off": f"{type(error).__name__}: {error}"[:2000]}
                broken = True
        result[f"{name}, seconds"] = round(time.monotonic() - start, 1)
        write_json(asked.out / "check.json", result)
        print(_said(name, result[name], result[f"{name}, seconds"]), flush=True)
    print(f"Written: {asked.out / 'check.json'}")
    return int(broken)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m erasebench.bench.gpu", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of check.json")
    parser.add_argument(
        "--seconds", type=float, default=450, help="time for all sections; what has begun is not stopped"
    )
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1 or cpu")
    parser.add_argument("--only", default="", help="sections, by commas")
    parser.add_argument("--tiny", action="store_true", help="tiny sizes, to try the check itself")
    return parser


def _machine(device: str) -> dict[str, Any]:
    import torch

    cuda = device.startswith("cuda")
    return {
        "card": torch.cuda.get_device_name(device) if cuda else platform.processor() or platform.machine(),
        "cuda": torch.version.cuda if cuda else None,
        "cpus": os.cpu_count(),
        "date": time.strftime("%Y-%m-%d"),
        "packages": installed_packages(),
    }


def _command(asked: argparse.Namespace, only: Sequence[str]) -> str:
    tiny = " --tiny" * asked.tiny
    words = f"--device {asked.device} --seconds {asked.seconds:g} --only {','.join(only)}{tiny}"
    return f"python -m erasebench.bench.gpu {words}"


def _said(name: str, found: Any, seconds: float) -> str:
    """A section as lines of text."""
    lines = [f"{name} ({seconds} s)"]
    if not isinstance(found, dict):
        return f"{lines[0]}: {found}"
    return "\n".join([*lines, *(f"  {key}: {value}" for key, value in found.items())])


if __name__ == "__main__":
    raise SystemExit(main())
