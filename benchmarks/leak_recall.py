"""What `thresher decontaminate` finds and what it should not, by preset, on real evaluation sets.

*Edits*: items of 21 English sets and of CMMLU, as many of each length, are written as a chat row
would hold them (question, options, a short answer), each edited in one way, and searched for among
all items of all sets. An item is found when its row has a contaminated match with that very item;
inside a document of a million words, when the match overlaps the place where it was put.

*Sets*: published training data beside tests that it holds, wholly, in part or not (`leak_sets`).

    python benchmarks/leak_recall.py --data DIR [--presets NAME...] [--only NAME...] [--items N]

writes results/leak_recall.json, from which `python -m tests.contracts.readme` makes the README's
tables. DIR holds the sets named below. Every search is the job itself, with `--action tag`; draws
are seeded, so the same data gives the same figures. No public set of the data holds translations
of items: other languages are Chinese items and edits of them.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice, zip_longest
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import leak_edits as edits
import machine
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from leak_sets import Match, Row, Search, chat, sets, written

from thresher.engines.options import EngineOptions
from thresher.leaks.items import FIELDS
from thresher.leaks.presets import PRESETS
from thresher_jobs.decontaminate import decontaminate
from thresher_jobs.decontaminate_params import DecontaminateParams
from thresher_jobs.leak_index import count_tokens
from thresher_jobs.leak_items import ReadBenchmark, read_benchmarks

SEED = 20261121
BANDS = ("< 12", "12-19", "20-29", "30-49", ">= 50")  # tokens of the question
STARTS = np.array([12, 20, 30, 50])
LONGEST_ANSWER = 8  # tokens; a longer answer would be found without its question
NO_ANSWER = "That is left to you."
DOCUMENT, DOCUMENT_WORDS = "inside a million words", 1_000_000
DOCUMENT_ITEMS = 50  # of each band: one in 4,000 words
CHINESE = "cmmlu"
COLUMNS = ["row", "role", "benchmark", "item_id", "verdict", "byte_start", "byte_end"]


class Target(NamedTuple):
    """An item that is planted: its names, the band of its length, and its row before any edit."""

    benchmark: str
    item: str
    band: int
    prompt: str
    answer: str


class Planted(NamedTuple):
    """Where an item was put: the kind of edit, the row, and bytes of the row's first turn."""

    kind: str
    target: Target
    row: int
    start: int
    stop: int


def targets(read: Sequence[ReadBenchmark], random: Random, count: int) -> list[Target]:
    """Draw so many items of each band, in turn from every benchmark that has any."""
    lists = []
    for one in read:
        lists.append(_targets_of(one))
        random.shuffle(lists[-1])
    drawn: list[Target] = []
    for band in range(len(BANDS)):
        turns = zip_longest(*([t for t in mine if t.band == band] for mine in lists))
        drawn += islice((t for t in chain.from_iterable(turns) if t is not None), count)
    return drawn


def _targets_of(one: ReadBenchmark) -> list[Target]:
    code = one.benchmark.kind == "code"
    asked = np.flatnonzero(one.fields == FIELDS.index("question"))
    questions = one.texts.take(pa.array(asked))
    bands = np.searchsorted(STARTS, count_tokens(questions, code), side="right").tolist()
    answers = _answers([] if code else one.answers.to_pylist())
    found = []
    for place, text, band in zip(asked.tolist(), questions.to_pylist(), bands, strict=True):
        item = int(one.owner[place])
        options = one.options[item].as_py()
        prompt = "\n".join([text, *(f"{chr(65 + n)}. {o}" for n, o in enumerate(options))])
        name = one.uids[item].as_py()
        answer = answers[item] if answers else NO_ANSWER
        found.append(Target(one.benchmark.name, name, band, prompt, answer))
    return found


def _answers(lists: Sequence[Sequence[str]]) -> list[str]:
    """Return what rows would answer; no worked answers, which are found by themselves."""
    short = [min(answers, key=len, default="") for answers in lists]
    tokens = count_tokens(pa.array(short, pa.large_string()), False).tolist()
    return [
        f"The answer is {text}." if 0 < count < LONGEST_ANSWER else NO_ANSWER
        for text, count in zip(short, tokens, strict=True)
    ]


def kinds_of(words: list[str], letters: list[str]) -> dict[str, tuple[edits.Edit, bool]]:
    """Return every kind of edit and whether it is one of Chinese items."""
    made: dict[str, tuple[edits.Edit, bool]] = {
        "verbatim": (edits.verbatim, False),
        "upper case": (edits.upper, False),
        "curly quotes, dashes": (edits.curly, False),
        "lines of 8 words": (edits.wrapped, False),
        "Markdown": (edits.markdown, False),
        "LaTeX": (edits.latex, False),
        "5 % of words": (edits.reworded(0.05, words), False),
        "10 % of words": (edits.reworded(0.1, words), False),
        "20 % of words": (edits.reworded(0.2, words), False),
        "other numbers": (edits.other_numbers, False),
        "Chinese, verbatim": (edits.verbatim, True),
        "Chinese, 5 % of characters": (edits.letters_changed(0.05, letters), True),
        "Chinese, 10 % of characters": (edits.letters_changed(0.1, letters), True),
        "Chinese, 20 % of characters": (edits.letters_changed(0.2, letters), True),
    }
    return made


def plant(data: Path, count: int) -> tuple[list[Row], list[Planted], list[str]]:
    """Return rows of edited items, where each item is, and the benchmarks."""
    random = Random(SEED)
    against = sorted(str(path) for path in (data / "evals").iterdir())
    read = read_benchmarks(against, count_tokens)
    english = targets([one for one in read if one.benchmark.name != CHINESE], random, count)
    chinese = targets([one for one in read if one.benchmark.name == CHINESE], random, count)
    words = [word for target in english for word in re.findall(r"[A-Za-z]{2,}", target.prompt)]
    letters = [
        letter for target in chinese for letter in re.findall(r"[\u4e00-\u9fff]", target.prompt)
    ]
    rows: list[Row] = []
    planted: list[Planted] = []
    for kind, (edit, of_chinese) in kinds_of(words, letters).items():
        for target in chinese if of_chinese else english:
            text = edit(random, target.prompt)
            if text == target.prompt and edit is not edits.verbatim:
                continue
            planted.append(Planted(kind, target, len(rows), 0, len(text.encode())))
            rows.append(chat(text, target.answer))
    few = [t for band in range(len(BANDS)) for t in _first(english, band, DOCUMENT_ITEMS)]
    random.shuffle(few)
    text, places = document(data, few)
    planted += [
        Planted(DOCUMENT, target, len(rows), start, stop)
        for target, (start, stop) in zip(few, places, strict=True)
    ]
    return [*rows, chat(text, "That was long.")], planted, against


def _first(drawn: Sequence[Target], band: int, count: int) -> list[Target]:
    return [target for target in drawn if target.band == band][:count]


def document(data: Path, inside: Sequence[Target]) -> tuple[str, list[tuple[int, int]]]:
    """Return documentation pages with items at equal distances, and the bytes of each item."""
    told = list(islice(_words(data), DOCUMENT_WORDS))
    step = len(told) // (len(inside) + 1)
    pieces: list[str] = []
    places: list[tuple[int, int]] = []
    held = 0
    for number, target in enumerate(inside):
        before = " ".join(told[number * step : (number + 1) * step]) + "\n\n"
        text = f"{target.prompt}\n{target.answer}"
        start = held + len(before.encode())
        places.append((start, start + len(target.prompt.encode())))
        pieces += [before, text, "\n\n"]
        held = start + len(text.encode()) + 2
    return "".join([*pieces, " ".join(told[len(inside) * step :])]), places


def _words(data: Path) -> Iterator[str]:
    while True:
        for path in sorted((data / "rn_versioned_docs").glob("*.parquet")):
            for text in pq.read_table(path, columns=["text"]).column(0).to_pylist():
                yield from text.split()


def found_in(search: Search, preset: str, folder: Path) -> list[Match]:
    """Run the job over the rows and return what it found."""
    source = written(folder / "rows.jsonl", search.rows)
    out = folder / f"out-{preset}"
    params = DecontaminateParams(against=tuple(search.against), preset=preset, action="tag")
    decontaminate([str(source)], str(out), params, EngineOptions())
    matches = []
    for path in sorted((out / "matches").glob("*.parquet")):
        for row in pq.read_table(path, columns=COLUMNS).to_pylist():
            matches.append(
                Match(
                    row["row"],
                    row["benchmark"],
                    row["item_id"],
                    row["verdict"] == "contaminated",
                    row["byte_start"] if row["role"] in ("user", "text") else -1,
                    row["byte_end"] if row["role"] in ("user", "text") else -1,
                )
            )
    return matches


def recalled(planted: Sequence[Planted], matches: Sequence[Match]) -> dict[str, Any]:
    """Count planted items that were found, by kind and band: leaked, leaked or suspect, of all."""
    by_item: dict[tuple[int, str, str], list[Match]] = {}
    for match in matches:
        by_item.setdefault((match.row, match.benchmark, match.item), []).append(match)
    counts: dict[str, list[list[int]]] = {}
    for one in planted:
        mine = by_item.get((one.row, one.target.benchmark, one.target.item), [])
        if one.kind == DOCUMENT:
            mine = [m for m in mine if m.start < one.stop and m.stop > one.start]
        bands = counts.setdefault(one.kind, [[0, 0, 0] for _ in BANDS])
        bands[one.target.band][0] += any(match.contaminated for match in mine)
        bands[one.target.band][1] += bool(mine)
        bands[one.target.band][2] += 1
    return {
        kind: {
            "leaked": sum(band[0] for band in bands),
            "leaked_or_suspect": sum(band[1] for band in bands),
            "of": sum(band[2] for band in bands),
            "by_length": dict(zip(BANDS, bands, strict=True)),
        }
        for kind, bands in counts.items()
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Search everything that was asked for with every preset."""
    recall: dict[str, Any] = {}
    natural: dict[str, Any] = {}
    chosen = [one for one in sets(options.data) if _wanted(one.name, options.only)]
    with tempfile.TemporaryDirectory(prefix="thresher-leaks-") as scratch:
        if _wanted("edits", options.only):
            rows, planted, against = plant(options.data, options.items)
            for preset in options.presets:
                matches = _timed("edits", preset, Search(rows, against), Path(scratch))
                recall[preset] = recalled(planted, matches)
        for one in chosen:
            folder = Path(scratch) / f"set-{len(natural)}"
            folder.mkdir()
            search = one.make(options.data, folder)
            natural[one.name] = {
                preset: [
                    share._asdict()
                    for share in one.count(search, _timed(one.name, preset, search, folder))
                ]
                for preset in options.presets
            }
    return {"recall": recall, "sets": natural}


def _wanted(name: str, only: Sequence[str] | None) -> bool:
    return not only or any(name.startswith(one) for one in only)


def _timed(name: str, preset: str, search: Search, folder: Path) -> list[Match]:
    begin = time.perf_counter()
    matches = found_in(search, preset, folder)
    print(
        f"{name}, {preset}: {len(search.rows):,} rows, {len(matches):,} matches, "
        f"{time.perf_counter() - begin:.0f} s",
        file=sys.stderr,
        flush=True,
    )
    return matches


def _table(figures: dict[str, Any]) -> str:
    kinds: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    for preset, found in figures["recall"].items():
        for kind, counts in found.items():
            if not kinds[kind]:
                rows.append({"": kind})
            kinds[kind] += 1
            place = list(kinds).index(kind)
            rows[place][preset] = f"{100 * counts['leaked'] / counts['of']:.1f}"
    for name, presets in figures["sets"].items():
        some: dict[str, dict[str, Any]] = {}
        for preset, shares in presets.items():
            for one in shares:
                line = some.setdefault(one["what"], {"": f"{name}: {one['what']}, {one['of']:,}"})
                line[preset] = f"{one['found']:,}"
        rows += some.values()
    columns = {"": ""} | {name: name for name in [*figures["recall"], *PRESETS]}
    return machine.table(columns, rows)


def main() -> int:
    """Measure, print a table, write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the public sets")
    parser.add_argument("--presets", nargs="*", default=list(PRESETS), choices=list(PRESETS))
    parser.add_argument("--only", nargs="*", help="'edits', or sets whose names begin so")
    parser.add_argument("--items", type=int, default=200, help="items of each length")
    options = parser.parse_args()
    logging.getLogger("thresher_jobs").setLevel(logging.ERROR)
    figures = measure(options)
    if options.only or options.presets != list(PRESETS):
        print("a part only: results/leak_recall.json is left as it is", file=sys.stderr)
    else:
        machine.save("leak_recall", {"seed": SEED, "items": options.items, **figures})
    print(_table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
