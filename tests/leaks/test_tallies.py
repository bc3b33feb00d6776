"""Matches add up to the same, however the rows are cut and in whatever order parts meet."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from tests.leaks.made_matches import batch, matches
from thresher.leaks.matches import LABEL_ROLES, MATCH_KINDS, MATCHES, VERDICTS
from thresher.leaks.tallies import LeakTally


def tallied(*parts: tuple[list[dict[str, Any]], int]) -> LeakTally:
    tally = LeakTally()
    for lines, source in parts:
        tally.add(batch(lines), source)
    return tally


def by_row(lines: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    rows = defaultdict(list)
    for line in lines:
        rows[line["_row_id"]].append(line)
    return rows


def deciding(lines: list[dict[str, Any]]) -> tuple[int, list[dict[str, Any]]]:
    """Return the worst verdict of matches and those that have it."""
    worst = max(VERDICTS.index(line["verdict"]) for line in lines)
    return worst, [line for line in lines if VERDICTS.index(line["verdict"]) == worst]


@pytest.mark.slow
@examples(15)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 60), max_size=6), st.booleans())
def test_parts_add_up_to_the_whole_for_any_cut_and_order(
    seed: int, cuts: list[int], through_json: bool
) -> None:
    lines = matches(seed=seed)
    whole = tallied((lines, 3)).to_json()
    edges = [0, *sorted(cuts), 60]
    parts = []
    draw = np.random.default_rng(seed)
    for low, high in pairwise(edges):
        part = [line for line in lines if low <= line["row"] < high]
        draw.shuffle(part)
        parts.append(tallied((part, 3)))
    draw.shuffle(parts)
    total = LeakTally()
    for tally in parts:
        if through_json:
            tally = LeakTally.from_json(json.loads(json.dumps(tally.to_json())))
        total.merge(tally)
    assert json.dumps(total.to_json()) == json.dumps(whole)


@pytest.mark.parametrize("seed", range(8))
def test_rows_and_items_are_those_of_a_plain_count(seed: int) -> None:
    parts = [(matches(seed=seed, source="a"), 0), (matches(40, seed + 99, source="b"), 1)]
    tally = tallied(*parts)
    for lines, source in parts:
        rows = by_row(lines).values()
        found = Counter(deciding(row)[0] for row in rows)
        assert tally.rows[source] == [found[0], found[1]]
    for key, one in tally.benchmarks.items():
        _check_rows(key, one, parts)
        _check_items(key, one, parts)


def _check_rows(key: tuple[str, str], one: Any, parts: Any) -> None:
    counts: dict[str, Counter[Any]] = defaultdict(Counter)
    for lines, source in parts:
        for row in by_row(lines).values():
            mine = [line for line in row if (line["benchmark"], line["split"]) == key]
            if not mine:
                continue
            verdict, said = deciding(mine)
            counts["rows"][source, verdict] += 1
            kind = min((line["match_kind"] for line in said), key=MATCH_KINDS.index)
            counts["kinds"][verdict, kind] += 1
            for name in ("role", "mode"):
                for value in {line[name] for line in said}:
                    counts[f"{name}s"][verdict, value] += 1
            if verdict:
                counts["sides"][_sides({line["role"] for line in said})] += 1
                others = {
                    (line["benchmark"], line["split"])
                    for line in row
                    if line["verdict"] == "contaminated"
                }
                counts["alone"][source] += others == {key}
    assert one.rows == {
        s: [counts["rows"][s, 0], counts["rows"][s, 1]] for s in {s for s, _ in counts["rows"]}
    }
    for name in ("kinds", "roles", "modes"):
        counted = {(v, n): c for v in (0, 1) for n, c in getattr(one, name)[v].items()}
        assert counted == counts[name]
    assert one.sides == counts["sides"]
    assert one.alone == +counts["alone"]


def _sides(roles: set[str]) -> str:
    if "text" in roles:
        return "text"
    label, given_ = bool(roles & LABEL_ROLES), bool(roles - LABEL_ROLES)
    return "input_and_label" if label and given_ else "label_only" if label else "input_only"


def _check_items(key: tuple[str, str], one: Any, parts: Any) -> None:
    hits: dict[str, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    for lines, source in parts:
        for line in lines:
            if (line["benchmark"], line["split"]) == key:
                hits[line["item_id"]].append((source, line))
    assert set(one.items) == set(hits)
    for item_id, found in hits.items():
        item = one.items[item_id]
        verdict, said = deciding([line for _, line in found])
        assert item.verdict == verdict
        assert item.kind == min((s["match_kind"] for s in said), key=MATCH_KINDS.index)
        for source in {source for source, _ in found}:
            rows = by_row([line for s, line in found if s == source]).values()
            counts = Counter(deciding(row)[0] for row in rows)
            assert item.rows[source] == [counts[0], counts[1]]
        strongest = min(
            said,
            key=lambda line: (
                -line["cover_5"],
                -line["cover_8"],
                MATCH_KINDS.index(line["match_kind"]),
                line["_row_id"],
                line["segment"],
                line["byte_start"],
            ),
        )
        best = item.best.match
        for name in ("cover_5", "match_kind", "verdict", "_row_id", "segment", "byte_start"):
            assert best[name] == strongest[name]
        assert best["train_snippet"].startswith(f"{best['row']} ")


def test_equally_strong_matches_fall_to_the_first_row_by_id() -> None:
    line = matches(seed=5)[0] | {"item_id": "one"}
    names = ["b:10", "a:9", "a:10", "c:0"]
    for order in (names, names[::-1]):
        tally = LeakTally()
        for name in order:
            tally.add(batch([line | {"_row_id": name}]), 0)
        ((_, one),) = tally.benchmarks.items()
        best = one.items["one"].best
        assert best is not None and best.match["_row_id"] == "a:10"


def test_a_copy_is_stronger_than_any_number_of_suspects() -> None:
    line = matches(seed=5)[0] | {"item_id": "one", "cover_5": 1.0, "match_kind": "exact"}
    suspects = [line | {"_row_id": f"a:{i}", "verdict": "suspect"} for i in range(50)]
    leak = line | {"_row_id": "z", "verdict": "contaminated", "cover_5": 0.5}
    leak["match_kind"] = "paraphrase"
    ((_, one),) = tallied(([*suspects, leak], 0)).benchmarks.items()
    item = one.items["one"]
    assert item.best is not None and item.best.match["_row_id"] == "z"
    assert (item.verdict, item.kind, item.rows[0]) == (1, "paraphrase", [50, 1])


def test_nulls_and_figures_that_are_no_numbers_count_as_nothing() -> None:
    line = dict.fromkeys(MATCHES.names) | {
        "_row_id": "a",
        "benchmark": "mmlu",
        "item_id": "m",
        "verdict": "suspect",
        "match_kind": "exact",
        "cover_5": float("nan"),
        "widf": float("inf"),
    }
    facts = tallied(([line], 0)).to_json()
    json.dumps(facts, allow_nan=False)
    assert [(b["name"], b["split"]) for b in facts["benchmarks"]] == [("mmlu", "")]


def test_any_string_type_slice_and_order_of_columns_counts_the_same() -> None:
    lines = matches()
    whole = batch(lines)
    large = pa.schema(
        [f.with_type(pa.large_string()) if f.type == pa.string() else f for f in MATCHES]
    )
    sliced = batch([*matches(3, seed=77, source="x"), *lines])
    names = MATCHES.names[::-1]
    expected = tallied((lines, 0)).to_json()
    for other in (whole.cast(large), sliced.slice(len(sliced) - len(lines)), whole.select(names)):
        tally = LeakTally()
        tally.add(other, 0)
        assert tally.to_json() == expected


def test_long_snippets_are_cut_and_nothing_is_counted_of_no_match() -> None:
    line = matches()[0] | {"train_snippet": "語" * 5000, "item_id": "one"}
    ((_, one),) = tallied(([line], 0)).benchmarks.items()
    assert one.items["one"].best is not None
    assert one.items["one"].best.match["train_snippet"] == "語" * 300
    assert tallied(([], 0)).to_json() == LeakTally().to_json()


def test_words_and_columns_that_are_not_known_are_refused() -> None:
    lines = matches()
    for name, word in (("verdict", "clean"), ("match_kind", "fuzzy")):
        with pytest.raises(ValueError, match=f"{name} '{word}'"):
            tallied(([lines[0] | {name: word}], 0))
    with pytest.raises(ValueError, match="'cover_5'"):
        LeakTally().add(batch(lines).drop_columns(["cover_5"]), 0)
