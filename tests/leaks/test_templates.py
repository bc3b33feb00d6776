"""Questions are found by their words when their numbers are others, and only so."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.jobs import leak_cases as cases
from thresher.leaks.items import Items
from thresher.leaks.presets import find_preset, needed_ngrams, override
from thresher.leaks.search import search
from thresher.leaks.segments import Segments
from thresher.leaks.templates import build_templates, find_templates, fold
from thresher.leaks.tokens import tokenise
from thresher_jobs.leak_index import build_index, count_tokens
from thresher_jobs.leak_items import read_benchmarks

WORD = st.from_regex(r"[a-zA-Z]{1,3}|[0-9]{1,4}|[0-9]{1,2}[a-z]|[a-z][0-9]{1,3}", fullmatch=True)
ROW = st.lists(WORD, max_size=12).map(" ".join)


@pytest.mark.slow
@given(st.lists(ROW, max_size=4))
def test_tokens_are_equal_once_folded_where_the_tokeniser_says_so(rows: list[str]) -> None:
    texts = pa.array(rows, pa.large_string())
    tokens = tokenise(texts)
    mine, theirs = fold(texts, tokens).hashes, tokenise(texts, fold_digits=True).hashes
    assert len(mine) == len(theirs)
    both = set(zip(mine.tolist(), theirs.tolist(), strict=True))
    assert len(both) == len(set(mine.tolist())) == len(set(theirs.tolist()))


@pytest.mark.parametrize(("one", "other"), [("1,000", "7"), ("10,000,000", "12"), ("2ND", "3nd")])
def test_a_number_is_one_zero_however_it_is_written(one: str, other: str) -> None:
    texts = pa.array([one, other])
    folded = fold(texts, tokenise(texts))
    assert folded.hashes[0] == folded.hashes[1] and folded.rows.all()


def _folded(text: str) -> list[str]:
    return [re.sub("[0-9]+", "0", word) for word in text.split()]


def _grams(text: str) -> list[tuple[str, ...]]:
    words = _folded(text)
    return [tuple(words[i : i + 8]) for i in range(len(words) - 7)]


def _plain(items: list[str], text: str, limit: int | None) -> dict[int, int]:
    """Return the tokens covered, by item that is found."""
    different = {tuple(_folded(item)): item for item in items if "0" in _folded(item)}
    owners = Counter(gram for item in different.values() for gram in set(_grams(item)))
    held, found = set(_grams(text)), {}
    for number, item in enumerate(items):
        places = [
            i for i, gram in enumerate(_grams(item))
            if gram in held and gram.count("0") <= 4 and (limit is None or owners[gram] <= limit)
        ]  # fmt: skip
        if any("0" in _grams(item)[i] for i in places):
            found[number] = len({i + k for i in places for k in range(8)})
    return found


@pytest.mark.parametrize("seed", range(20))
def test_the_look_up_is_the_plain_definition(seed: int) -> None:
    rng = random.Random(seed)
    words = "one two red blue has apples and then how many left"[: rng.choice([14, 50])].split()

    def some(count: int) -> list[str]:
        return [
            str(rng.randrange(100)) if rng.random() < 0.3 else rng.choice(words)
            for _ in range(count)
        ]

    stems = [some(rng.randrange(4, 14)) for _ in range(4)]
    items = [" ".join([*rng.choice(stems), *some(rng.randrange(12))]) for _ in range(25)]
    texts = [" ".join([*some(5), *rng.choice(items).split()[1:]]) for _ in range(30)]
    texts = [re.sub("[0-9]+", lambda _: str(rng.randrange(1000)), text) for text in texts]
    limit = rng.choice([None, 3])
    array, count = pa.array(items, pa.large_string()), len(items)
    zeros = np.zeros(count, np.int32), np.zeros(count, np.int8)
    made = Items(tokenise(array), *zeros, np.arange(count))
    templates = build_templates(array, made, (limit, 1000), np.array([0]))
    told = pa.array(texts, pa.large_string())
    pairs, covered = find_templates(templates, told, tokenise(told))
    found: list[dict[int, int]] = [{} for _ in texts]
    for row, item, tokens in zip(*pairs, covered, strict=True):
        found[row][int(item)] = int(tokens)
    wanted = [_plain(items, text, limit) for text in texts]
    with_numbers = [any("0" in word for word in _folded(item)) for item in items]
    assert found == [{i: c for i, c in one.items() if with_numbers[i]} for one in wanted]


DENSE = (
    "Count 12 figs, 34 plums, 56 pears, 78 dates, 91 limes, 23 kiwis, 45 nuts, 67 eggs, 89 beans "
    "and 58 peas."
)


def test_other_numbers_alone_make_a_suspect_and_no_other_verdict_changes(tmp_path: Path) -> None:
    row = {"question": DENSE, "answer": "#### 3"}
    (tmp_path / "dense.jsonl").write_text(str(row).replace("'", '"'))
    names = [*cases.benchmarks(tmp_path), f"dense={tmp_path / 'dense.jsonl'}"]
    read = read_benchmarks(names, count_tokens)
    other = re.sub("[0-9]+", lambda found: str(int(found[0]) + 3), DENSE)
    said = [other, re.sub("[0-9]", "8", cases.PENS), cases.PENS, cases.CLEAN, cases.QUOTING]
    texts, rows = pa.array(said, pa.large_string()), np.arange(len(said))
    segments = Segments(texts, rows, np.zeros(len(said), np.int32), np.zeros(len(said), np.int8))
    found = {}
    for enabled in (False, True):
        rule = override(find_preset("default"), {"templated": {"enabled": enabled}})
        presets = [rule.model_copy(update={"common_rows": 0})] * len(read)
        index = build_index(read, needed_ngrams(rule), presets=presets)
        found[enabled] = search(index, presets, segments).to_pylist()
    only = [match for match in found[True] if match["mode"] == "templated"]
    assert [(m["line"], m["match_kind"], m["verdict"]) for m in only] == [
        (0, "templated", "suspect")
    ]
    assert [match for match in found[True] if match["mode"] != "templated"] == found[False]
