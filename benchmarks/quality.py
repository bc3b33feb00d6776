"""Measure the quality signals on one core, beside datatrove's filters and the reading of Parquet.

    python benchmarks/quality.py [--jsonl FILE:FIELD] [--mb N] [--repeats N]
                                 [--datatrove PYTHON] [--check]

`signals`: all text signals of every flavor, the code signals, and `read`: the same texts read from
a Parquet file (zstd) by pyarrow. A figure is megabytes (10^6 bytes of UTF-8) a second of processor
time, the best of the repeats; rounds visit all contestants in turn, so that a noisy minute hits
them alike. Without `--jsonl`, texts are the seeded English-like prose of `thresher.testing`.

`--datatrove` names the interpreter of an environment made from `peers/datatrove.txt`: its Gopher
quality, Gopher repetition, C4 and FineWeb filters then judge the first of the same texts, alone and
together. `--check` exits with 1 where an aim is missed. Writes `results/quality_signals.json`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import machine
import pyarrow as pa
import pyarrow.parquet as pq
from kernels import best_of, corpus, real_text, text_bytes

from thresher.signals.code import code_signals
from thresher.signals.document import SIGNALS, text_signals
from thresher.signals.text_options import Flavor, TextOptions

PEER = Path(__file__).parent / "peers" / "datatrove_filters.py"
PEER_BYTES = 1_500_000  # of text for datatrove, which would take minutes on all of it
AIMS = {"dclm, MB/s": 80.0, "dclm / datatrove": 100.0}


def contestants(texts: pa.Array, folder: Path) -> dict[str, Any]:
    """Return what is timed on one corpus: (work, its bytes)."""
    source, size = folder / "texts.parquet", text_bytes(texts)
    pq.write_table(pa.table({"text": texts}), source, compression="zstd")
    found: dict[str, Any] = {"read": (lambda: pq.read_table(source, use_threads=False), size)}
    for flavor in Flavor:
        options = TextOptions(flavor=flavor)
        found[flavor.value] = (lambda options=options: text_signals(texts, options), size)
    found["code"] = (lambda: code_signals(texts), size)
    return found


def datatrove(interpreter: str, texts: pa.Array, folder: Path) -> dict[str, Any]:
    """Time datatrove's filters on the first of the texts."""
    few = texts.slice(0, max(1, len(texts) * PEER_BYTES // text_bytes(texts)))
    source = folder / "few.parquet"
    pq.write_table(pa.table({"text": few}), source)
    done = subprocess.run(
        [interpreter, str(PEER), str(source)], check=True, stdout=subprocess.PIPE, text=True
    )
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    seconds = facts.pop("seconds")
    speeds = {name: facts["bytes"] / 1e6 / value for name, value in seconds.items()}
    return facts | {"speeds": {name: round(speed, 4) for name, speed in speeds.items()}}


def main() -> int:
    """Run all contestants, print a table, write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jsonl", metavar="FILE:FIELDS")
    parser.add_argument("--mb", type=float, default=8, help="megabytes of generated text")
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--datatrove", metavar="PYTHON")
    parser.add_argument("--check", action="store_true", help="fail where an aim is missed")
    options = parser.parse_args()
    pa.set_cpu_count(1)
    name, texts = "latin", None
    if options.jsonl:
        name, texts = real_text(options.jsonl)
        copies = max(1, round(options.mb * 1e6 / text_bytes(texts)))
        texts = pa.concat_arrays([texts] * copies)
    else:
        texts = corpus("latin", int(options.mb * 1e6))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        speeds = best_of(contestants(texts, folder), options.repeats)
        peer = datatrove(options.datatrove, texts, folder) if options.datatrove else None
    found = {"dclm, MB/s": speeds["dclm"], "dclm / read": speeds["dclm"] / speeds["read"]}
    if peer is not None:
        found["dclm / datatrove"] = speeds["dclm"] / peer["speeds"]["together"]
    missed = [aim for aim, least in AIMS.items() if aim in found and found[aim] < least]
    figures = {
        "unit": "10^6 bytes of text a second of processor time, one thread, best of the repeats",
        "corpus": {"name": name, "rows": len(texts), "bytes": text_bytes(texts)},
        "signals": len(SIGNALS),
        "speeds": {key: round(value, 1) for key, value in speeds.items()},
        "datatrove": peer,
        "ratios": {key: round(value, 2) for key, value in found.items()},
        "aims": AIMS,
        "missed": missed,
    }
    machine.save("quality_signals", figures)
    rows = [{"MB/s": key, "speed": value} for key, value in speeds.items()]
    print(machine.table({"MB/s": "MB/s", "": "speed"}, rows))
    print(json.dumps({"datatrove": peer, "ratios": figures["ratios"], "missed": missed}, indent=1))
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
