"""Measure the search for leaked benchmark items on one core, beside plain Python and reading.

    python benchmarks/leaks.py [DATA] [--mb N] [--repeats N] [--scale N ...]
                               [--datatrove PYTHON] [--out FILE] [--check]

DATA holds `evals/` and real training sets (by default `../shared/data`). All of its evaluation
files are indexed as `thresher decontaminate --against DATA/evals` does, and searched for in:

* `pages`: pages of documentation, and `chat`: dialogues. Neither leaks more than a few items.
* `prose`: the seeded English-like prose of `thresher.testing`; no n-gram of it is an item's.
* `long`: the dialogues as documents of a million bytes.
* `leaked`: a training set of which every row is an item; `items`: the evaluation items themselves.

`search` is the whole search of a block as a worker does it, `tokens` its first part. Beside it are
`python_8` and `python_13`, a look-up of all word n-grams in a set (which does not say how much of
an item is there), and `read`, the same texts read from a Parquet file (zstd) by pyarrow. A figure
is megabytes (10^6 bytes of UTF-8) a second of processor time, the best of the repeats; rounds visit
all contestants in turn, so that a noisy minute hits them alike. Run it on a machine that does
nothing else: most of the time goes into reads that miss the caches, which neighbours share.

`--datatrove` names the interpreter of an environment made from `peers/datatrove.txt`: its n-gram
decontamination filter then looks for the same items in the first of the texts. `--scale` builds
indexes of so many items of 45 tokens, put together from pieces of the real ones, each in a process
of its own. `--check` exits with 1 where an aim is missed.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import machine
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from kernels import best_of, corpus, real_text, text_bytes

from thresher.leaks.index import Items, build
from thresher.leaks.indexed import Indexed
from thresher.leaks.numbers import find_numbers
from thresher.leaks.presets import Preset, find_preset, needed_ngrams
from thresher.leaks.search import search
from thresher.leaks.segments import Segments
from thresher.leaks.tokens import Tokens, tokenise
from thresher_jobs.leak_index import build_index, count_tokens
from thresher_jobs.leak_items import ReadBenchmark, read_benchmarks

DATA = Path(__file__).parents[2] / "shared" / "data"
PEER = Path(__file__).parent / "peers" / "datatrove_leaks.py"
WORD = re.compile(r"\w+")
LONG_BYTES = 1_000_000
PEER_BYTES = 1_500_000  # of text for the peers, which would take minutes on all of it
ITEM_TOKENS, PIECE = 45, 9
SCALES = (100_000, 1_000_000)
AIMS = {
    "clean / python": 10.0,
    "clean, MB/s": 200.0,
    "1,000,000 items, s": 60.0,
    "1,000,000 items, bytes": 1e9,
}
CLEAN = ("pages", "chat", "prose")


def corpora(data: Path, items: pa.Array, num_bytes: int) -> dict[str, pa.Array]:
    """Return the texts to search, about `num_bytes` of each."""
    pages = pq.read_table(sorted((data / "rn_versioned_docs").glob("*.parquet")), columns=["text"])
    found = {
        "pages": pages["text"].combine_chunks().cast(pa.large_string()),
        "chat": real_text(f"{data}/hh_harmless/test.jsonl:chosen,rejected")[1],
        "prose": corpus("latin", num_bytes).cast(pa.large_string()),
        "leaked": real_text(
            f"{data}/contamination/llm_adapters_math_data_train.jsonl:instruction,output"
        )[1],
        "items": items,
    }
    found = {name: _sized(texts, num_bytes) for name, texts in found.items()}
    return found | {"long": _joined(found["chat"], LONG_BYTES)}


def _sized(texts: pa.Array, num_bytes: int) -> pa.Array:
    """Return the first texts, or copies of all of them, that make up about so many bytes."""
    copies = -(-num_bytes // text_bytes(texts))
    several = pa.concat_arrays([texts] * copies)
    ends = np.cumsum(pc.binary_length(several).fill_null(0).to_numpy())
    return several.slice(0, int(np.searchsorted(ends, num_bytes)) + 1)


def _joined(texts: pa.Array, num_bytes: int) -> pa.Array:
    ends = np.cumsum(pc.binary_length(texts).to_numpy())
    cuts = [0, *np.searchsorted(ends, np.arange(num_bytes, ends[-1], num_bytes)), len(texts)]
    lists = pa.LargeListArray.from_arrays(pa.array(cuts, pa.int64()), texts)
    return pc.binary_join(lists, pa.scalar("\n\n", pa.large_string()))


def searching(indexed: Indexed, preset: Preset, texts: pa.Array) -> pa.RecordBatch:
    """Search texts as a worker does, a block at a time."""
    count = len(texts)
    zeros = np.zeros(count, np.int32)
    found = Segments(texts, np.arange(count), zeros, zeros.astype(np.int8))
    return search(indexed, [preset] * len(indexed.names), found)


def grams(texts: pa.Array, n: int) -> set[str]:
    """Return the word n-grams of texts."""
    found: set[str] = set()
    for text in texts.to_pylist():
        words = WORD.findall(text.lower())
        found.update(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
    return found


def look_up(texts: list[str], wanted: set[str], n: int) -> int:
    """Count the shared n-grams, as scripts do that say which items a text has."""
    hits = 0
    for text in texts:
        words = WORD.findall(text.lower())
        hits += sum(" ".join(words[i : i + n]) in wanted for i in range(len(words) - n + 1))
    return hits


def contestants(
    indexed: Indexed, wanted: dict[int, set[str]], texts: pa.Array, folder: Path
) -> dict[str, Any]:
    """Return what is timed on one corpus: (work, its bytes)."""
    source, size, preset = folder / "texts.parquet", text_bytes(texts), find_preset("default")
    pq.write_table(pa.table({"text": texts}), source, compression="zstd")
    few = _sized(texts, PEER_BYTES)
    plain, few_bytes = few.to_pylist(), text_bytes(few)
    found: dict[str, Any] = {
        "search": (lambda: searching(indexed, preset, texts), size),
        "tokens": (lambda: tokenise(texts), size),
        "read": (lambda: pq.read_table(source, use_threads=False), size),
    }
    for n, some in wanted.items():
        found[f"python_{n}"] = (lambda n=n, some=some: look_up(plain, some, n), few_bytes)
    return found


def describe(indexed: Indexed, texts: pa.Array) -> dict[str, Any]:
    """Say how much text there is, and what of it is found."""
    found = searching(indexed, find_preset("default"), texts)
    leaked = found.filter(pc.equal(found["verdict"], "contaminated"))
    rows = pc.count_distinct(leaked["line"]).as_py()
    return {"rows": len(texts), "bytes": text_bytes(texts), "contaminated_rows": rows}


def datatrove(interpreter: str, items: pa.Array, texts: dict[str, pa.Array]) -> dict[str, Any]:
    """Time datatrove's filter on the first of each corpus."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        pq.write_table(pa.table({"text": items}), folder / "items.parquet")
        for name, array in texts.items():
            pq.write_table(pa.table({"text": _sized(array, PEER_BYTES)}), folder / f"{name}.pq")
        command = [interpreter, str(PEER), str(folder / "items.parquet")]
        command += [str(folder / f"{name}.pq") for name in texts]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts


def scaled(data: Path, count: int) -> dict[str, Any]:
    """Build an index of so many items in a process of its own."""
    command = [sys.executable, __file__, str(data), "--build", str(count)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts


def build_scaled(read: list[ReadBenchmark], count: int) -> dict[str, Any]:
    """Build an index of items that are pieces of the real ones in another order."""
    texts = pa.concat_arrays([one.texts.cast(pa.large_string()) for one in read])
    tokens = tokenise(texts)
    numbers = find_numbers(texts, tokens)
    hashes = tokens.hashes
    warm = _pieced(hashes, 1000)
    build(warm)
    items = _pieced(hashes, count)
    del texts, tokens, numbers
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.process_time()
    index = build(items)
    seconds = time.process_time() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "items": count,
        "tokens": len(items.tokens.hashes),
        "seconds": round(seconds, 1),
        "bytes": index.num_bytes,
        "peak_bytes": max(peak, before) * 1024,
    }


def _pieced(hashes: Any, count: int) -> Items:
    rng = np.random.default_rng(7)
    pieces = ITEM_TOKENS // PIECE
    starts = rng.integers(0, len(hashes) - PIECE, (count * pieces, 1))
    drawn = hashes[(starts + np.arange(PIECE)).reshape(-1)]
    nothing = np.zeros(0, np.int64)
    offsets = np.arange(0, len(drawn) + 1, ITEM_TOKENS)
    return Items(
        Tokens(offsets, drawn, nothing, nothing),
        np.zeros(count, np.int32),
        np.zeros(count, np.int8),
        np.arange(count),
    )


def ratios(
    speeds: dict[str, dict[str, float]], peer: dict[str, Any] | None, scales: list[dict[str, Any]]
) -> dict[str, float]:
    """Return what the aims are about; of clean texts, the slowest counts."""
    found = {
        "clean, MB/s": min(speeds[name]["search"] for name in CLEAN),
        "clean / python": min(speeds[n]["search"] / speeds[n]["python_8"] for n in CLEAN),
    }
    for name, row in speeds.items():
        found[f"{name}: search / read"] = row["search"] / row["read"]
        found[f"{name}: search / python_8"] = row["search"] / row["python_8"]
        found[f"{name}: search / python_13"] = row["search"] / row["python_13"]
        if peer is not None:
            found[f"{name}: search / datatrove"] = row["search"] / peer["speeds"][name]
    for one in scales:
        found[f"{one['items']:,} items, s"] = one["seconds"]
        found[f"{one['items']:,} items, bytes"] = one["bytes"]
    return found


def missed(found: dict[str, float]) -> list[str]:
    """Return the aims that are missed: of seconds and bytes too much, of others too little."""
    return [
        aim
        for aim, value in AIMS.items()
        if aim in found and (found[aim] > value if "items" in aim else found[aim] < value)
    ]


def main() -> int:
    """Run all contestants, print a table, write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--mb", type=float, default=8, help="megabytes of each corpus")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scale", type=int, nargs="*", default=SCALES, metavar="ITEMS")
    parser.add_argument("--datatrove", metavar="PYTHON")
    parser.add_argument("--out", type=Path, help="where the result goes")
    parser.add_argument("--check", action="store_true", help="fail where an aim is missed")
    parser.add_argument("--build", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    pa.set_cpu_count(1)
    read = read_benchmarks([str(options.data / "evals")], count_tokens)
    if options.build:
        print(json.dumps(build_scaled(read, options.build)))
        return 0
    preset = find_preset("default")
    begin = time.process_time()
    indexed = build_index(read, needed_ngrams(preset), presets=[preset] * len(read))
    build_s = time.process_time() - begin
    items = pa.concat_arrays([one.texts.cast(pa.large_string()) for one in read])
    texts = corpora(options.data, items, int(options.mb * 1e6))
    wanted = {n: grams(items, n) for n in (8, 13)}
    speeds = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, array in texts.items():
            speeds[name] = best_of(
                contestants(indexed, wanted, array, Path(folder)), options.repeats
            )
    peer = datatrove(options.datatrove, items, texts) if options.datatrove else None
    scales = [scaled(options.data, count) for count in options.scale]
    found = ratios(speeds, peer, scales)
    figures = {
        "unit": "10^6 bytes of text a second of processor time, one thread, best of the repeats",
        "index": {
            "benchmarks": len(indexed.names),
            "items": len(indexed.uids),
            "sub_items": sum(part.index.num_items for part in indexed.parts),
            "tokens": sum(len(part.index["terms"]) for part in indexed.parts),
            "bytes": sum(part.index.num_bytes for part in indexed.parts),
            "build_s": round(build_s, 1),
        },
        "corpora": {name: describe(indexed, array) for name, array in texts.items()},
        "speeds": {name: _rounded(row) for name, row in speeds.items()},
        "datatrove": peer,
        "scale": scales,
        "ratios": _rounded(found),
        "aims": AIMS,
        "missed": missed(found),
    }
    if options.out:
        options.out.write_text(json.dumps({"machine": machine.facts(), **figures}, indent=1) + "\n")
    names = list(next(iter(speeds.values())))
    rows = [{"MB/s": name} | {c: row[name] for c, row in speeds.items()} for name in names]
    print(machine.table({"MB/s": "MB/s"} | {name: name for name in speeds}, rows))
    print(json.dumps({k: figures[k] for k in ("index", "scale", "ratios", "missed")}, indent=1))
    return 1 if options.check and figures["missed"] else 0


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 2 if value < 100 else 0) for name, value in figures.items()}


if __name__ == "__main__":
    sys.exit(main())
