"""The full conformance soak: every engine, worker count, misbehaviour, way of joining and
configuration, against one local worker.

    python -m tests.conformance.soak [--kinds local ray spark] [--every N]

Writes benchmarks/results/conformance.json: how many settings gave the reference's bytes, the hash
of each configuration's manifest, and what differed. Ends with 1 if anything did. --every N takes
each N-th setting of a shuffled order, for a part of the way.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import machine
from tests.conformance.cases import CASES, SPLIT_BYTES, write_inputs
from tests.conformance.engines import KINDS, Setting, every
from tests.jobs import runs
from thresher.engines.local import LocalEngine
from thresher.testing.planted import planted


def run_setting(
    setting: Setting, inputs: list[Path], out: Path, reference: dict[str, str]
) -> str | None:
    """Run one setting; return what went wrong, or None."""
    try:
        runs.run(
            inputs,
            out,
            engine=setting.make(),
            options=setting.options,
            split_bytes=SPLIT_BYTES,
            **CASES[setting.case],
        )
    except Exception as error:  # noqa: BLE001 - the soak goes on and reports it
        return f"{type(error).__name__}: {error}"
    found = runs.tree(out)
    differing = sorted(k for k in {*found, *reference} if found.get(k) != reference.get(k))
    return f"differs in {', '.join(differing[:5])}" if differing else None


def soak(kinds: list[str], step: int, folder: Path) -> dict[str, Any]:
    """Run the settings and return the figures."""
    inputs = write_inputs(folder / "in", planted(400, seed=3))
    references = {}
    for case, params in CASES.items():
        out = folder / f"reference-{case}"
        runs.run(inputs, out, engine=LocalEngine(1), split_bytes=SPLIT_BYTES, **params)
        references[case] = runs.tree(out)
    settings = [setting for setting in every() if setting.kind in kinds]
    settings = random.Random(0).sample(settings, len(settings))[::step]
    settings.sort(key=lambda setting: (kinds.index(setting.kind), setting.workers))
    done: Counter[str] = Counter()
    wrong: dict[str, str] = {}
    begin = time.monotonic()
    for number, setting in enumerate(settings):
        fault = run_setting(setting, inputs, folder / f"out-{number}", references[setting.case])
        done[setting.kind] += 1
        if fault:
            wrong[str(setting)] = fault
        print(f"{number + 1}/{len(settings)} {setting} {fault or 'equal'}", flush=True)
    return {
        "settings": len(settings),
        "of": len(every()),
        "equal": len(settings) - len(wrong),
        "by_engine": dict(done),
        "seconds": round(time.monotonic() - begin),
        "manifests": {case: tree["manifest.json"] for case, tree in references.items()},
        "wrong": wrong,
    }


def main() -> int:
    """Run the soak, record it, and say whether all was equal."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--every", type=int, default=1, metavar="N")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="thresher-soak-") as scratch:
        figures = soak(options.kinds, options.every, Path(scratch))
    command = f"python -m tests.conformance.soak --every {options.every}"
    machine.save("conformance", {"command": command, **figures})
    print(json.dumps({k: v for k, v in figures.items() if k != "manifests"}, indent=1))
    return 1 if figures["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
