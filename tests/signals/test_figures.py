"""Figures of parts add up to the figures of the whole, and examples are the closest rows."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from thresher.signals import bins, tallies
from thresher.signals.figures import Figures, RuleFacts
from thresher.signals.nearest import CLOSEST, SHOWN_CHARACTERS
from thresher.signals.signal import Kind, Signal
from thresher.signals.tallies import Numbers

SIGNALS = (
    Signal("words", Kind.COUNT, "text", "words"),
    Signal("digits", Kind.SHARE, "text", "characters that are digits"),
    Signal("entropy", Kind.NUMBER, "text", "bits a word"),
    Signal("empty", Kind.FLAG, "text", "nothing in it"),
    Signal("language", Kind.LABEL, "language", "language"),
    Signal("chosen_words", Kind.COUNT, "preference", "words of the chosen answer"),
    Signal("rejected_words", Kind.COUNT, "preference", "words of the rejected answer"),
)
RULES = (
    RuleFacts("too_few_words", "words", 50, None, "remove", "words at least 50"),
    RuleFacts("odd_entropy", "entropy", -1.5, 4.0, "remove", "entropy between -1.5 and 4"),
    RuleFacts("many_digits", "digits", None, 0.25, "tag", "digits at most 0.25"),
    RuleFacts("empty", "empty", None, None, "remove", "empty is no"),
    RuleFacts("wrong_language", "language", None, None, "tag", "language is en"),
)

counts = st.none() | st.integers(0, 200) | st.integers(0, 2**63 - 1)
shares = st.none() | st.sampled_from([0.0, 0.25, 0.29, 0.58, 1.0]) | st.floats(0, 1)
numbers = st.none() | st.floats(-10, 10) | st.floats()
rows = st.tuples(
    counts,
    shares,
    numbers,
    st.none() | st.booleans(),
    st.none() | st.sampled_from(["en", "de", "<b>", ""]),
    counts,
    counts,
    st.text(max_size=5),
)


def fails(rule: RuleFacts, value: Any) -> bool:
    if value is None:
        return False
    if rule.name == "empty":
        return bool(value)
    if rule.name == "wrong_language":
        return bool(value != "en")
    low = -math.inf if rule.low is None else rule.low
    return bool(value < low or value > (math.inf if rule.high is None else rule.high))


def batch(table: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
    return pa.record_batch(
        [pa.array([row[i] for row in table], s.kind.type) for i, s in enumerate(SIGNALS)],
        [s.name for s in SIGNALS],
    )


def figures_of(table: Sequence[tuple[Any, ...]], places: Sequence[int]) -> Figures:
    """Count rows of the table as one block; all rules that remove decide."""
    values = batch(table)
    column = {s.name: i for i, s in enumerate(SIGNALS)}
    fired = np.array(
        [[fails(r, row[column[r.signal]]) for row in table] for r in RULES], bool
    ).reshape(len(RULES), len(table))
    judged = np.array(
        [[row[column[r.signal]] is not None for row in table] for r in RULES], bool
    ).reshape(len(RULES), len(table))
    removing = [r.action == "remove" for r in RULES]
    ids = pa.array([f"f.jsonl:{place}" for place in places], pa.string())
    figures = Figures(SIGNALS, RULES)
    figures.add(
        values,
        fired,
        judged,
        np.array(~fired[removing].any(axis=0)),
        positions=np.array(places, np.int64),
        names=ids.take,
        texts=pa.array([row[-1] for row in table], pa.string()),
    )
    return figures


@pytest.mark.slow
@examples(25)
@given(st.lists(rows, max_size=40), st.data())
def test_figures_do_not_depend_on_how_rows_are_cut_and_ordered(
    table: list[tuple[Any, ...]], data: st.DataObject
) -> None:
    whole = figures_of(table, range(len(table)))
    order = data.draw(st.permutations(range(len(table))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(table)), max_size=6)))
    parts = [
        figures_of([table[i] for i in order[a:b]], order[a:b])
        for a, b in zip([0, *cuts], [*cuts, len(table)], strict=True)
    ]
    merged = Figures(SIGNALS, RULES)
    for part in data.draw(st.permutations(parts)):
        merged.merge(Figures.from_json(SIGNALS, RULES, json.loads(json.dumps(part.to_json()))))
    assert merged.to_json() == whole.to_json()
    json.dumps(merged.to_json(), allow_nan=False)


@pytest.mark.slow
@examples(25)
@given(st.lists(rows, max_size=40))
def test_figures_are_those_of_plain_counting(table: list[tuple[Any, ...]]) -> None:
    figures = figures_of(table, range(len(table)))
    names = [s.name for s in SIGNALS]
    verdicts = [[fails(r, row[names.index(r.signal)]) for r in RULES] for row in table]
    removing = [r.action == "remove" for r in RULES]
    for i, rule in enumerate(RULES):
        values = [row[names.index(rule.signal)] for row in table]
        assert figures.fired[i] == sum(v[i] for v in verdicts)
        assert figures.judged[i] == sum(v is not None for v in values)
        assert figures.alone[i] == sum(
            v[i] and not any(v[j] for j in range(len(RULES)) if j != i and removing[j])
            for v in verdicts
        )
        for j in range(len(RULES)):
            assert figures.together[i, j] == sum(v[i] and v[j] for v in verdicts)
    kept = [not any(v[j] for j in range(len(RULES)) if removing[j]) for v in verdicts]
    assert figures.rows.tolist() == [len(kept) - sum(kept), sum(kept)]
    for side in (0, 1):
        words = [r[0] for r, k in zip(table, kept, strict=True) if k == side and r[0] is not None]
        tally = figures.tallies["words"]
        assert isinstance(tally, Numbers)
        assert tally.sums[side] == sum(words)
        if words:
            assert tally.extremes[side].tolist() == [min(words), max(words)]
        labels = Counter(
            r[4] for r, k in zip(table, kept, strict=True) if k == side and r[4] is not None
        )
        found = figures.tallies["language"]
        assert isinstance(found, tallies.Words)
        assert found.labels[side] == labels
    both = [(r[5], r[6]) for r in table if r[5] is not None and r[6] is not None]
    assert figures.larger["chosen_words", "rejected_words"].tolist() == [
        sum(a > b for a, b in both),
        sum(a == b for a, b in both),
        sum(a < b for a, b in both),
    ]


@pytest.mark.slow
@examples(25)
@given(st.lists(rows, max_size=40), st.lists(st.integers(0, 40), max_size=4))
def test_examples_are_the_closest_rows_on_either_side(
    table: list[tuple[Any, ...]], cuts: list[int]
) -> None:
    figures = Figures(SIGNALS, RULES)
    bounds = sorted(min(c, len(table)) for c in cuts)
    for a, b in zip([0, *bounds], [*bounds, len(table)], strict=True):
        figures.merge(figures_of(table[a:b], range(a, b)))
    names = [s.name for s in SIGNALS]
    for nearest, rule in zip(figures.nearest, RULES, strict=True):
        for side, shown in enumerate(nearest.sides):
            expected = []
            for place, row in enumerate(table):
                value = row[names.index(rule.signal)]
                if value is None or value != value or fails(rule, value) == (side == 1):
                    continue
                limits = [t for t in (rule.low, rule.high) if t is not None]
                distance = min((abs(float(value) - t) for t in limits), default=0.0)
                expected.append((min(distance, np.finfo(float).max), place))
            assert [(e.distance, e.position) for e in shown] == sorted(expected)[:CLOSEST]
            for example in shown:
                row = table[example.position]
                value = row[names.index(rule.signal)]
                finite = not isinstance(value, float) or math.isfinite(value)
                assert example.value == (value if finite else str(value))
                assert (example.id, example.text) == (f"f.jsonl:{example.position}", row[-1])


def test_a_row_that_failed_for_having_no_value_is_the_last_example() -> None:
    rule = (RuleFacts("short", "words", 50, None, "remove", "words at least 50"),)
    figures = Figures(SIGNALS[:1], rule)
    figures.add(
        pa.record_batch({"words": pa.array([None, 3, 80, 20, None])}),
        np.array([[True, True, False, True, True]]),
        np.array([[False, True, True, True, False]]),
        np.array([False, False, True, False, False]),
        positions=np.arange(5),
        names=pa.array(list("abcde")).take,
        texts=pa.array([None, "x" * 2000, "y", "z", "w"]),
    )
    assert [(e.id, e.value) for e in figures.nearest[0].sides[0]] == [
        ("d", 20),
        ("b", 3),
        ("a", None),
    ]
    assert [len(e.text) for e in figures.nearest[0].sides[0]] == [1, SHOWN_CHARACTERS, 0]
    assert figures.judged.tolist() == [3] and figures.fired.tolist() == [4]
    assert figures.tallies["words"].nulls.tolist() == [2, 0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Kind.SHARE, Kind.COUNT, Kind.NUMBER])
def test_every_value_is_counted_between_the_edges_of_its_bin(kind: Kind) -> None:
    edges = bins.edges(kind)
    assert len(edges) == bins.num_bins(kind) + 1 and (np.diff(edges) > 0).all()
    inner = edges[np.abs(edges) < 2**40]
    values = np.concatenate([inner, np.nextafter(inner, np.inf), np.nextafter(inner, -np.inf)])
    if kind is Kind.COUNT:
        values = np.unique(np.concatenate([inner, inner + 1, inner - 1])).clip(0).astype(np.int64)
    elif kind is Kind.SHARE:
        values = values.clip(0, 1)
    for value in values.tolist():
        tally = Numbers(kind)
        tally.add(pa.array([value], kind.type), np.array([True]))
        index = int(tally.counts[1].argmax())
        low, high = edges[index : index + 2]
        assert low <= value <= high, value
        inside = value < high or value == 1 if value >= 0 else value > low
        assert inside, (value, low, high)


def test_sums_and_ends_of_shares_are_exact() -> None:
    values = [0.0, 1.0, 1.0, 0.1, 0.7, 1 / 3]
    tally = Numbers(Kind.SHARE)
    for value in values:
        tally.add(pa.array([value]), np.array([True]))
    assert tally.ends.tolist() == [[0, 0], [1, 2]]
    unit = bins.unit(Kind.SHARE)
    assert unit is not None
    assert abs(Fraction(tally.sums[1], unit) - sum(map(Fraction, values))) < Fraction(6, unit)


def test_medians_are_estimated_within_their_bin() -> None:
    values = np.random.default_rng(5).lognormal(5, 1, 20_001)
    for kind, drawn in ((Kind.COUNT, values.astype(np.int64)), (Kind.NUMBER, values - 100)):
        tally = Numbers(kind)
        tally.add(pa.array(drawn), np.ones(len(drawn), bool))
        for share in (0.1, 0.5, 0.9):
            estimate = bins.quantile(kind, tally.counts[1], share)
            true = float(np.quantile(drawn, share))
            assert estimate is not None
            assert abs(estimate - true) < 0.0625 * abs(true)
    assert bins.quantile(Kind.COUNT, np.zeros(960, np.int64), 0.5) is None


def test_sliced_columns_count_as_copies_do() -> None:
    table: list[tuple[Any, ...]] = [
        (i, i / 50, i - 20.5, i % 2 == 0, "de", 1, 2, "t") for i in range(50)
    ]
    table[7] = (None, None, None, None, None, None, 3, "t")
    for a, b in ((3, 20), (7, 8), (9, 50)):
        sliced, copied = (Figures(SIGNALS, ()) for _ in range(2))
        for figures, values in ((sliced, batch(table)[a:b]), (copied, batch(table[a:b]))):
            figures.add(
                values,
                np.zeros((0, b - a), bool),
                np.zeros((0, b - a), bool),
                np.arange(b - a) % 3 == 0,
                positions=np.arange(b - a),
                names=pa.array(["x"] * 50).take,
                texts=pa.nulls(b - a, pa.large_string()),
            )
        assert sliced.to_json() == copied.to_json()


def test_of_too_many_labels_the_same_ones_are_kept_in_any_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tallies, "MOST_LABELS", 20)
    labels = [f"l{i % 70}" for i in range(700)]
    found = []
    for order in (labels, labels[::-1]):
        parts = []
        for begin in range(0, 700, 90):
            part = tallies.Words()
            column = pa.array(order[begin : begin + 90])
            part.add(column, np.ones(len(column), bool))
            parts.append(part)
        whole = parts.pop()
        for part in parts:
            whole.merge(part)
        assert whole.cut and len(whole.labels[1]) == 20
        assert set(whole.labels[1].values()) == {10} and whole.rows.tolist() == [0, 700]
        found.append(whole.to_json())
    assert found[0] == found[1]


def test_rules_that_decide_nothing_are_warned_of() -> None:
    table = [(100, None, 0.0, False, "en", 1, 1, "x")] * 3 + [
        (10, None, 9.0, False, "en", 1, 1, "x")
    ]
    assert figures_of(table, range(4)).warnings() == [
        "rule many_digits (digits at most 0.25) judged no row: none has a figure digits",
        "rule empty (empty is no) fired on none of 4 rows",
        "rule wrong_language (language is en) fired on none of 4 rows",
    ]
    assert "rule too_few_words (words at least 50) fired on all 1 rows" in (
        figures_of(table[3:], [0]).warnings()
    )
    assert Figures(SIGNALS, RULES).warnings() == []


def test_figures_of_other_signals_or_rules_are_refused() -> None:
    figures = figures_of([], [])
    with pytest.raises(ValueError, match="do not add up"):
        figures.merge(Figures(SIGNALS, RULES[:1]))
    with pytest.raises(ValueError, match="other signals or rules"):
        Figures.from_json(SIGNALS, RULES[:1], figures.to_json())
    with pytest.raises(ValueError, match="not computed: words"):
        Figures(SIGNALS[1:], RULES)
    with pytest.raises(ValueError, match="verdicts are"):
        figures.add(
            batch([(1, 0.5, 0.0, True, "en", 1, 1, "x")]),
            np.zeros((5, 2), bool),
            np.zeros((5, 2), bool),
            np.ones(1, bool),
            positions=np.arange(1),
            names=pa.array(["a"]).take,
            texts=pa.array(["x"]),
        )
