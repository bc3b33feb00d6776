"""What lies across the borders of a split of real data: `thresher split` beside random splits.

Each set is split by the installed command in a process of its own. Then all similar pairs are found
without the library's kernels, by the exact join of `tests/oracle` (words from the plain reference,
shingles as tuples of words, similarities as integers), copies included, and counted:

* `pairs`: pairs of rows at or above the threshold.
* `torn`: those of them whose rows lie in different splits.
* `leaked`: held-out rows with such a row in another split.
* `prompts`: prompts whose rows lie in different splits (runs of white space count as one space).

The same is counted for DRAWS random splits of the same sizes, seeded: mean, fewest and most.

    python benchmarks/splits.py --data DIR [--sets NAME...] [--threshold 0.7]

writes results/splits.json and ends with 1 if a split of ours tears a pair or a prompt. DIR holds
the sets named in SETS, a folder each.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import machine
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.oracle.exact_join import exact_join
from tests.oracle.judge import Words

NGRAM = 5
DRAWS = 100
AMOUNTS = {"test": "0.1", "validation": "0.05"}
Pairs = list[tuple[int, int]]


class DataSet(NamedTuple):
    """A public set: its folder, the compared columns, its prompt and what else is set."""

    name: str
    folder: str
    columns: tuple[str, ...]
    prompt: str | None = None
    settings: tuple[str, ...] = ()


SETS = (
    DataSet("rn_versioned_docs", "rn_versioned_docs", ("text",)),
    DataSet("alpaca_eval", "alpaca_eval", ("instruction", "output"), "instruction"),
    DataSet(
        "alpaca_eval, prompts untied",
        "alpaca_eval",
        ("instruction", "output"),
        None,
        ("--set", "group_prompts=false"),
    ),
)


class Rows(NamedTuple):
    """All rows of a set: by id their compared text, and their prompt where they have one."""

    ids: list[str]
    texts: list[str]
    prompts: list[str | None]


def read_rows(data: DataSet, folder: Path) -> Rows:
    """Read a set without the library."""
    rows = [
        row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()
    ]
    texts = ["\n".join(row[column] or "" for column in data.columns) for row in rows]
    prompts = [" ".join(row[data.prompt].split()) if data.prompt else None for row in rows]
    return Rows([row["id"] for row in rows], texts, prompts)


def similar_rows(texts: Sequence[str], threshold: Fraction) -> Pairs:
    """Return all pairs of rows at or above the threshold, rows with equal words among them."""
    words = Words()
    same: dict[object, list[int]] = defaultdict(list)
    for row, text in enumerate(texts):
        same[words.of(text) or text].append(row)
    classes = list(same.values())
    sets = [words.shingles(texts[rows[0]], NGRAM) for rows in classes]
    pairs = [(a, b) for rows in classes for at, a in enumerate(rows) for b in rows[at + 1 :]]
    for pair in exact_join(sets, threshold.numerator, threshold.denominator):
        pairs += [(a, b) for a in classes[pair.left] for b in classes[pair.right]]
    return pairs


def run_split(
    command: str, data: DataSet, source: Path, threshold: float
) -> tuple[dict[str, str], float]:
    """Split a set in a folder that is removed afterwards; return splits by id, and seconds."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        amounts = [word for name, amount in AMOUNTS.items() for word in (f"--{name}", amount)]
        begin = time.monotonic()
        subprocess.run(
            [
                command, "split", str(source), "--out", str(out), "--quiet",
                "--threshold", str(threshold), *amounts, *data.settings,
            ],
            check=True,
        )  # fmt: skip
        seconds = time.monotonic() - begin
        return {
            row_id: path.parent.name
            for path in sorted(out.glob("data/*/*.parquet"))
            for row_id in pq.read_table(path, columns=["id"])["id"].to_pylist()
        }, seconds


def count(splits: Sequence[str], pairs: Pairs, prompts: Iterable[list[int]]) -> dict[str, int]:
    """Count what lies across the borders of one split, given by row."""
    torn = [(a, b) for a, b in pairs if splits[a] != splits[b]]
    leaked = {row for pair in torn for row in pair if splits[row] != "train"}
    return {
        "torn": len(torn),
        "leaked": len(leaked),
        "prompts": sum(len({splits[row] for row in rows}) > 1 for rows in prompts),
    }


def at_random(
    splits: Sequence[str], pairs: Pairs, prompts: Sequence[list[int]]
) -> dict[str, dict[str, float]]:
    """Count the same for random splits of the same sizes."""
    counted: dict[str, list[int]] = defaultdict(list)
    for seed in range(DRAWS):
        drawn = [*splits]
        random.Random(seed).shuffle(drawn)
        for what, number in count(drawn, pairs, prompts).items():
            counted[what].append(number)
    return {
        what: {"mean": sum(numbers) / DRAWS, "fewest": min(numbers), "most": max(numbers)}
        for what, numbers in counted.items()
    }


def measure(data: DataSet, folder: Path, command: str, threshold: float) -> dict[str, Any]:
    """Split one set and count."""
    rows = read_rows(data, folder / data.folder)
    by_id, seconds = run_split(command, data, folder / data.folder, threshold)
    assert sorted(by_id) == sorted(rows.ids), "every row lies in one split"
    splits = [by_id[row_id] for row_id in rows.ids]
    of_prompt: dict[str | None, list[int]] = defaultdict(list)
    for row, prompt in enumerate(rows.prompts):
        of_prompt[prompt].append(row)
    shared = [found for prompt, found in of_prompt.items() if prompt is not None and len(found) > 1]
    pairs = similar_rows(rows.texts, Fraction(repr(threshold)))
    return {
        "set": data.name,
        "rows": len(splits),
        "sizes": {name: splits.count(name) for name in ("train", "validation", "test")},
        "threshold": threshold,
        "pairs": len(pairs),
        "shared_prompts": len(shared),
        "thresher": count(splits, pairs, shared),
        "random": at_random(splits, pairs, shared),
        "seconds": round(seconds, 1),
    }


def lines(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one line a result for the table."""
    return [
        {
            "set": found["set"],
            "rows": found["rows"],
            "pairs": found["pairs"],
            **{f"{what} {who}": value for who, what, value in _cells(found)},
        }
        for found in results
    ]


def _cells(found: Mapping[str, Any]) -> Iterable[tuple[str, str, float]]:
    for what in ("torn", "leaked", "prompts"):
        yield "ours", what, found["thresher"][what]
        yield "random", what, round(found["random"][what]["mean"])


def main() -> int:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", default=[data.name for data in SETS])
    parser.add_argument("--threshold", type=float, default=0.7)
    parser.add_argument("--command", default=str(Path(sys.executable).parent / "thresher"))
    given = parser.parse_args()
    results = [
        measure(data, given.data, given.command, given.threshold)
        for data in SETS
        if data.name in given.sets
    ]
    names = [
        f"{what} {who}" for what in ("torn", "leaked", "prompts") for who in ("ours", "random")
    ]
    columns = {name: name for name in ("set", "rows", "pairs", *names)}
    print(machine.table(columns, lines(results)))
    machine.save("splits", {"draws": DRAWS, "ngram": NGRAM, "results": results})
    torn = any(found["thresher"]["torn"] or found["thresher"]["prompts"] for found in results)
    return int(torn)


if __name__ == "__main__":
    sys.exit(main())
