"""Write stand-ins for all that the Stable Diffusion world needs: python -m erasebench.testing.standins --out FOLDER

Model, judges, segmenter, captions and photographs: random or made up, 14 MB, nothing is downloaded. The command prints
how to run with them. Such a run shows that the path works; its numbers mean nothing, and no board shows them.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from erasebench.errors import UserError


def main(words: Sequence[str] | None = None) -> int:
    """Write the folder and print what to run; 2 for a folder that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m erasebench.testing.standins", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="new or empty folder")
    out: Path = parser.parse_args(words).out
    from erasebench.families.loading import quiet
    from erasebench.testing.standins.folder import write_all

    try:
        with quiet():
            write_all(out)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(_said(out))
    return 0


def _said(out: Path) -> str:
    from erasebench.testing.standins.folder import options, variables

    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables(out).items())
    results = out.absolute() / "results"
    asked = ["erasebench", "run", "--method", "uce", "--suite", "celebrity", "--limit", "4", "--steps", "5"]
    places = ["--out", str(results), "--runs-folder", str(out.absolute() / "runs")]
    lines = [shlex.join(asked), *_pairs(options(out)), *_pairs(places)]
    return (
        f"Stand-ins: {out}, {size:.0f} MB.\n"
        "They are random: what is made with them is no result, and no board shows it.\n"
        "NudeNet is not among them, because the package nudenet brings its real weights.\n\n"
        f"Run with them, in this shell:\n\n{exports}\n" + " \\\n  ".join(lines) + "\n\n"
        "Any method and suite will do. `erasebench doctor` takes no --judge-set, so it calls CLIP and FID missing.\n"
        "Unset the two variables afterwards. Do not move the folder: the photographs are found by their path."
    )


def _pairs(words: Sequence[str]) -> list[str]:
    return [shlex.join(words[at : at + 2]) for at in range(0, len(words), 2)]


if __name__ == "__main__":
    raise SystemExit(main())
