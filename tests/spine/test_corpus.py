"""The seeded corpora: the same bytes for a seed, and the planted truth is true."""

from __future__ import annotations

import hashlib
import itertools
import re
from typing import Any

import pyarrow as pa
import pytest

from tests.oracle.exact_join import exact_join, greedy
from thresher.testing.corpus import BATCH_ROWS, prose, templates
from thresher.testing.planted import THRESHOLD, jaccard, planted
from thresher.text import reference

pytestmark = pytest.mark.slow


def texts(batches: Any) -> list[str]:
    return [text for batch in batches for text in batch.column("text").to_pylist()]


def digest(table: Any) -> str:
    return hashlib.sha256(repr(table.to_pydict()).encode()).hexdigest()


@pytest.mark.parametrize("stream", [prose, templates])
def test_a_shorter_stream_is_the_beginning_of_a_longer_one(stream: Any) -> None:
    longer = list(stream(BATCH_ROWS + 500, 3))
    assert [b.num_rows for b in longer] == [BATCH_ROWS, 500]
    assert longer[1].column("id").to_pylist() == list(range(BATCH_ROWS, BATCH_ROWS + 500))
    assert pa.Table.from_batches(stream(200, 3)).equals(pa.Table.from_batches(longer).slice(0, 200))
    assert texts(stream(200, 3)) != texts(stream(200, 4))


def test_streams_are_the_same_bytes_on_every_platform() -> None:
    assert digest(pa.Table.from_batches(prose(300, 1))) == PROSE
    assert digest(pa.Table.from_batches(templates(300, 1, split=True))) == TEMPLATES


PROSE = "3a2f00b9ef47742bfa7c9b0304776a6eb411ac7eb51f5f698691a96487ae81e3"
TEMPLATES = "1fc333fe337caa1732ef8babcece32dbbe60c7f2fef60cb878aaa01e9e1e838b"


def test_batches_are_valid_arrow() -> None:
    for batch in itertools.chain(prose(9000, 1), templates(9000, 1), templates(300, 1, split=True)):
        batch.validate(full=True)


def test_prose_has_the_stated_share_of_copies_at_the_stated_similarity() -> None:
    docs = texts(prose(BATCH_ROWS, 5, mean_words=60, duplicate_share=0.1, exact_share=0.05))
    exact = len(docs) - len(set(docs))
    assert 0.035 < exact / len(docs) < 0.055  # a copy of a copied original can be another's twin
    first: dict[str, int] = {}
    similarities = []
    for row, text in enumerate(docs):
        words = text.split(" ")
        earlier = {first[key] for key in keys(words) if key in first}
        best = max((jaccard(text, docs[i]) for i in earlier), default=0.0)
        if 0.5 < best < 1.0:
            similarities.append(best)
        for key in keys(words):
            first.setdefault(key, row)
    assert 0.08 < len(similarities) / len(docs) < 0.12
    assert sum(s >= 0.7 for s in similarities) / len(similarities) > 0.97
    assert min(similarities) > 0.6


def keys(words: list[str]) -> list[str]:
    """The first and the last five words: an edit leaves one of them alone."""
    return ["^".join(words[:5]), "^".join(words[-6:-1]), " ".join(words[1:6])]


def test_template_rows_are_alike_but_not_copies() -> None:
    docs = texts(templates(4000, 2, rows_per_template=50))
    families: dict[str, list[str]] = {}
    for text in docs:
        families.setdefault(" ".join(text.split(" ")[:5]), []).append(text)
    large = [f[:12] for f in families.values() if len(f) >= 12]
    similarities = [jaccard(a, b) for f in large for a, b in itertools.combinations(f, 2)]
    assert len(large) > 50
    assert sum(0.28 < s < 0.7 for s in similarities) / len(similarities) > 0.9
    assert sum(s >= 0.7 for s in similarities) > 10


def test_split_templates_hold_the_same_words() -> None:
    whole = texts(templates(500, 2))
    rows = pa.Table.from_batches(templates(500, 2, split=True)).to_pylist()
    assert ["\n".join((r["instruction"], r["input"], r["output"])) for r in rows] == whole


@pytest.mark.parametrize("script", ["accented", "devanagari", "han"])
def test_other_scripts_are_mostly_outside_ascii(script: Any) -> None:
    text = "".join(texts(prose(50, 1, script=script)))
    letters = [c for c in text if not c.isspace() and c not in ",."]
    assert sum(c > "\x7f" for c in letters) / len(letters) > 0.25


@pytest.mark.parametrize("seed", [0, 1])
def test_the_planted_truth_is_true(seed: int) -> None:
    data = planted(1000, seed)
    truth = data.truth
    text = dict(zip(*(data.table.column(c).to_pylist() for c in ("id", "text")), strict=True))
    place = {row: i for i, row in enumerate(text)}
    assert len(text) == data.table.num_rows == 1000
    groups = (truth.exact_copies, truth.variants, truth.near_copies, truth.near_misses)
    assert [len(g) for g in groups] == [60, 30, 60, 30]
    for pair in itertools.chain(*groups):
        assert place[pair.original] < place[pair.id]
        assert pair.similarity == jaccard(text[pair.id], text[pair.original])
    assert all(text[p.id] == text[p.original] for p in truth.exact_copies)
    assert all(text[p.id] != text[p.original] and p.similarity == 1.0 for p in truth.variants)
    assert all(THRESHOLD <= p.similarity < 1.0 for p in truth.near_copies)
    assert all(0.55 < p.similarity < THRESHOLD for p in truth.near_misses)
    questions = dict(
        zip(*(data.benchmark.column(c).to_pylist() for c in ("id", "question")), strict=True)
    )
    assert len(truth.leaks) == len(questions) // 2
    assert all(questions[question] in text[row] for row, question in truth.leaks)


def test_all_that_must_be_kept_is_below_the_threshold_of_every_other_row() -> None:
    data = planted(1000, 2)
    text = dict(zip(*(data.table.column(c).to_pylist() for c in ("id", "text")), strict=True))
    kept = [row for row in text if row not in data.truth.removable]
    assert {row for row, _ in data.truth.odd} <= set(kept)
    assert {row for family in data.truth.templates for row in family} <= set(kept)
    holders: dict[str, list[str]] = {}
    for row in kept:
        for run in {
            " ".join(w) for w in zip(*(words(text[row])[i:] for i in range(5)), strict=False)
        }:
            holders.setdefault(run, []).append(row)
    pairs = {pair for rows in holders.values() for pair in itertools.combinations(rows, 2)}
    assert len(pairs) > 100
    assert max(jaccard(text[a], text[b]) for a, b in pairs) < THRESHOLD
    assert len({text[row] for row in kept}) == len(kept)


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def test_an_exact_greedy_walk_removes_what_the_planted_truth_says() -> None:
    data = planted(500, 4)
    ids = data.table.column("id").to_pylist()
    sets = [reference.shingle_hashes(text) for text in data.table.column("text").to_pylist()]
    removed = greedy(range(len(ids)), exact_join(sets, 7, 10))
    assert {ids[row] for row in removed} == data.truth.removable


def test_planted_is_the_same_for_a_seed_and_refuses_too_few_rows() -> None:
    assert planted(500, 3).truth == planted(500, 3).truth
    assert planted(500, 3).table != planted(500, 4).table
    with pytest.raises(ValueError, match="at least 400"):
        planted(399)
