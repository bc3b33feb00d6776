"""Measure the text kernels on one core, beside pyarrow, rensa and datasketch in the same run.

    python benchmarks/kernels.py [--mb N] [--repeats N] [--jsonl FILE:FIELD,FIELD ...] [--check]

Everything runs in one thread. A figure is megabytes (10^6 bytes of UTF-8) a second of processor
time, the best of the repeats; rounds visit all contestants in turn, so that a noisy minute hits
them alike. Texts are the seeded corpora of `thresher.testing`, one a script; `--jsonl` adds real
ones by name.

* `signatures`: Arrow text in, words, hashes and 128 permutations out (n = 5); `words` and
  `bytes_only` leave steps out; `shingles` are the sorted sets; `fingerprint` notices changed text.
* `pyarrow_copy`: read the same rows from a Parquet file and write them again with zstd, pyarrow's
  defaults otherwise: what any job must at least do.
* `rensa` and `datasketch`: 128 permutations of the same word 5-grams, made by the fastest plain
  Python for them (a regular expression and joins; ASCII text only, where it means the same words).
  Their best bulk call; `_given_shingles` leaves out the making of the 5-grams.

`--check` exits with 1 where an aim is missed. Writes `results/kernels.json`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import datasketch
import machine
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import rensa
from peers.pyarrow_copy import WRITERS, copy

from thresher.testing.corpus import prose
from thresher.text.sketch import fingerprint, shingles, sketch
from thresher.transforms.minhash import permutations

N, NUM_PERM, SEED = 5, 128, 1
SCRIPTS = ("latin", "accented", "devanagari", "han")
WORD = re.compile(r"\w+", re.ASCII)
PEER_BYTES = 2_000_000  # of text for the Python peers, which would take minutes on all of it
AIMS = {
    "signatures / pyarrow_copy": 1.0,
    "signatures / rensa": 10.0,
    "signatures / datasketch": 50.0,
    "accented / latin": 1 / 3,
    "devanagari / latin": 1 / 3,
    "han / latin": 1 / 3,
}


def corpus(script: Any, num_bytes: int) -> pa.Array:
    """Generate about `num_bytes` of text in one script."""
    parts, size = [], 0
    for batch in prose(1_000_000, mean_words=500, script=script):
        parts.append(batch["text"].slice(0, 512))
        size += parts[-1].nbytes
        if size >= num_bytes:
            return pa.concat_arrays(parts)
    raise AssertionError("the corpus is longer than that")


def real_text(source: str) -> tuple[str, pa.Array]:
    """Read `FILE:FIELD,FIELD` into (name, texts), fields joined by line breaks."""
    path, fields = source.rsplit(":", 1)
    with pa.input_stream(path, compression="detect") as stream:
        rows = [json.loads(line) for line in stream.read().splitlines()]
    names = fields.split(",")
    texts = ["\n".join(str(row.get(name) or "") for name in names) for row in rows]
    return Path(path).name.split(".")[0], pa.array(texts, pa.large_string())


def five_grams(text: str) -> list[str]:
    """Return the word 5-grams of ASCII text as joined strings."""
    words = WORD.findall(text.lower())
    if len(words) < N:
        return [" ".join(words)] if words else []
    return [" ".join(words[at : at + N]) for at in range(len(words) - N + 1)]


def rensa_signatures(shingled: list[list[str]]) -> Any:
    """Sketch with rensa's bulk call."""
    return rensa.RMinHash.digest_matrix_from_token_sets(shingled, NUM_PERM, SEED)


def datasketch_signatures(shingled: list[list[str]]) -> Any:
    """Sketch with datasketch's bulk call and its default hash."""
    encoded = ([shingle.encode() for shingle in row] for row in shingled)
    return datasketch.MinHash.bulk(encoded, num_perm=NUM_PERM, seed=SEED)


def best_of(
    contestants: dict[str, tuple[Callable[[], Any], int]], repeats: int
) -> dict[str, float]:
    """Return megabytes a second of each contestant: (work, its bytes)."""
    best = dict.fromkeys(contestants, float("inf"))
    for _ in range(repeats + 1):  # the first round also compiles and warms up
        for name, (work, _) in contestants.items():
            begin = time.process_time()
            work()
            best[name] = min(best[name], time.process_time() - begin)
    return {name: size / 1e6 / best[name] for name, (_, size) in contestants.items()}


def kernels(texts: pa.Array) -> dict[str, tuple[Callable[[], Any], int]]:
    """Return our own contestants on one corpus."""
    drawn = permutations(NUM_PERM, SEED)
    size = text_bytes(texts)
    return {
        "signatures": (lambda: sketch(texts, n=N, permutations=drawn), size),
        "words": (lambda: sketch(texts, n=N), size),
        "bytes_only": (lambda: sketch(texts, with_words=False), size),
        "shingles": (lambda: shingles(texts, n=N), size),
        "fingerprint": (lambda: fingerprint(texts), size),
    }


def copies(texts: pa.Array, folder: Path) -> dict[str, tuple[Callable[[], Any], int]]:
    """Return the copies of one corpus that pyarrow makes."""
    source, target = folder / "in.parquet", folder / "out.parquet"
    pq.write_table(pa.table({"text": texts}), source, compression="zstd")
    size = text_bytes(texts)
    return {
        "pyarrow_copy": (lambda: copy(source, target, WRITERS["pyarrow"]), size),
        "pyarrow_copy_zstd3": (lambda: copy(source, target, WRITERS["ours"]), size),
    }


def peers(texts: pa.Array) -> dict[str, tuple[Callable[[], Any], int]]:
    """Return the other MinHash packages, on as much of an ASCII corpus as they can take."""
    few = texts.slice(0, max(1, len(texts) * PEER_BYTES // text_bytes(texts)))
    plain, size = few.to_pylist(), text_bytes(few)
    shingled = [five_grams(text) for text in plain]
    return {
        "rensa": (lambda: rensa_signatures([five_grams(text) for text in plain]), size),
        "rensa_given_shingles": (lambda: rensa_signatures(shingled), size),
        "datasketch": (lambda: datasketch_signatures([five_grams(text) for text in plain]), size),
        "datasketch_given_shingles": (lambda: datasketch_signatures(shingled), size),
    }


def text_bytes(texts: pa.Array) -> int:
    """Return the bytes of UTF-8 in an array."""
    return int(pa.compute.sum(pa.compute.binary_length(texts)).as_py() or 0)


def describe(texts: pa.Array) -> dict[str, Any]:
    """Say how much text there is and how long its words are."""
    num_words = int(sketch(texts).num_words.sum(dtype=np.int64))
    size = text_bytes(texts)
    return {"rows": len(texts), "bytes": size, "bytes_a_word": round(size / num_words, 2)}


def ratios(speeds: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return what the aims are about."""
    latin = speeds["latin"]
    found = {
        f"signatures / {peer}": latin["signatures"] / latin[peer]
        for peer in ("pyarrow_copy", "pyarrow_copy_zstd3", "rensa", "datasketch")
    }
    for name in speeds.keys() - set(SCRIPTS):
        copied = speeds[name]["pyarrow_copy"]
        found[f"signatures / pyarrow_copy, {name}"] = speeds[name]["signatures"] / copied
    for script in SCRIPTS[1:]:
        found[f"{script} / latin"] = speeds[script]["signatures"] / latin["signatures"]
    return found


def main() -> int:
    """Run all contestants, print a table, write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mb", type=float, default=8, help="megabytes of each corpus")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--jsonl", action="append", default=[], metavar="FILE:FIELDS")
    parser.add_argument("--check", action="store_true", help="fail where an aim is missed")
    options = parser.parse_args()
    pa.set_cpu_count(1)
    texts = {script: corpus(script, int(options.mb * 1e6)) for script in SCRIPTS}
    texts |= dict(map(real_text, options.jsonl))
    speeds = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, array in texts.items():
            beside = copies(array, Path(folder))
            if name == "latin":
                beside |= peers(array)
            speeds[name] = best_of(kernels(array) | beside, options.repeats)
    found = ratios(speeds)
    missed = [name for name, aim in AIMS.items() if found[name] < aim]
    figures = {
        "unit": "10^6 bytes of text a second of processor time, one thread, best of the repeats",
        "settings": {"n": N, "permutations": NUM_PERM, "repeats": options.repeats},
        "peers": {name: version(name) for name in ("rensa", "datasketch")},
        "corpora": {name: describe(array) for name, array in texts.items()},
        "speeds": {name: _rounded(row) for name, row in speeds.items()},
        "ratios": _rounded(found),
        "aims": _rounded(AIMS),
        "missed": missed,
    }
    machine.save("kernels", figures)
    print(machine.table(*_layout(speeds)))
    print("\n".join(f"{name}: {value:.2f}" for name, value in found.items()))
    return 1 if options.check and missed else 0


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 2 if value < 100 else 0) for name, value in figures.items()}


def _layout(speeds: dict[str, dict[str, float]]) -> tuple[dict[str, str], list[dict[str, Any]]]:
    names = list(dict.fromkeys(name for row in speeds.values() for name in row))
    rows = [{"MB/s": name} | {key: row.get(name) for key, row in speeds.items()} for name in names]
    return {"MB/s": "MB/s"} | {key: key for key in speeds}, rows


if __name__ == "__main__":
    sys.exit(main())
