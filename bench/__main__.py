"""`python -m bench NAME [--json] …`: one comparison, both sides in one run, printed as ratios.

Each module of this folder is one comparison: its `run(args)` returns {"ratios", "figures",
"failed"}. With --json, one line of JSON is printed: ratios, figures, and the machine that they were
measured on. The sentences in "failed" go to stderr, and make the exit code 1.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
from pathlib import Path

from bench import _data
from bench._ending import by_signals
from pushfit import requirements
from pushfit.entry import enter
from pushfit.errors import ConfigError, nearest


def names() -> list[str]:
    """Every comparison there is."""
    here = Path(__file__).parent
    return sorted(p.stem for p in here.glob("*.py") if not p.stem.startswith("_"))


def machine() -> dict[str, object]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def main(argv: list[str]) -> int:
    as_json = "--json" in argv
    rest = [word for word in argv if word != "--json"]
    if not rest or rest[0] in ("-h", "--help"):
        print(f"{__doc__}\nComparisons: {', '.join(names())}")
        return 0
    name, *args = rest
    if name not in names():
        raise ConfigError(
            f"there is no bench {name!r}{nearest(name, names())}; known: {', '.join(names())}"
        )
    with by_signals():
        made = importlib.import_module(f"bench.{name}").run(args)
    result = {"bench": name, **made, "data": _data.used()}
    failed = result.pop("failed", [])
    for sentence in failed:
        print(f"FAILED: {sentence}", file=sys.stderr)
    if as_json:
        print(json.dumps({**result, "machine": machine()}))
        return int(bool(failed))
    on = f"; data: {result['data']}" if result["data"] else ""
    print(f"{name}, on {machine()['cores']} cores, medians{on}")
    for kind in ("ratios", "figures"):
        for key, value in result[kind].items():
            print(f"  {kind[:-1]:7}{key:<44}{value:>14,.3f}")
    return int(bool(failed))


if __name__ == "__main__":
    requirements.check()
    enter(main, sys.argv[1:])
