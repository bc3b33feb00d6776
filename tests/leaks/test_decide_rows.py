"""A row has the gravest verdict of its matches, and says on which side it lies."""

from __future__ import annotations

from typing import Any

from tests.leaks.made_figures import VERBATIM
from tests.leaks.plain_decide import columns, match
from thresher.leaks.decide import (
    SIDES,
    VERDICTS,
    decide,
    decide_rows,
    discountable,
)
from thresher.leaks.presets import PRESETS

# Rows


def rows_of(*rows: dict[str, Any]) -> list[tuple[int, str, int, str]]:
    evidence, items, around = columns(list(rows))
    found = decide_rows(decide(evidence, items, PRESETS["default"], around), items, around)
    return [
        (int(row), VERDICTS[v], int(m), SIDES[s])
        for row, v, m, s in zip(found.row, found.verdict, found.match, found.side, strict=True)
    ]


def test_a_row_has_the_gravest_verdict_of_its_matches() -> None:
    clean, suspect, leaked = match(), match(templated8=40), match(**VERBATIM)
    found = rows_of(
        suspect | {"row": 3}, leaked | {"row": 3}, clean | {"row": 1}, suspect | {"row": 2}
    )
    assert [one[:3] for one in found] == [
        (1, "clean", 2),
        (2, "suspect", 3),
        (3, "contaminated", 1),
    ]


def test_ties_go_to_the_first_benchmark_and_item() -> None:
    leaked = match(**VERBATIM)
    rows = [leaked | {"bench": b, "uid": u} for b, u in ((1, 0), (0, 7), (0, 4), (1, 1))]
    for order in ((0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)):
        (found,) = rows_of(*(rows[i] for i in order))
        assert order[found[2]] == 2


def test_a_row_says_whether_the_label_came_with_the_input() -> None:
    question, answer = match(**VERBATIM), match(field="answer", segment=1, **VERBATIM)
    assert rows_of(question)[0][3] == "input_only"
    assert rows_of(question | {"answer_found": True})[0][3] == "input_and_label"
    assert rows_of(question, answer)[0][3] == "input_and_label"
    assert rows_of(answer)[0][3] == "label_only"
    assert rows_of(question, answer | {"uid": 1})[0][3] == "input_only"
    assert rows_of(question, match(field="answer", segment=1))[0][3] == "input_only"


def test_matches_that_cover_an_item_are_never_discounted() -> None:
    figures: list[dict[str, Any]] = [
        {"matched8": 36}, {"matched8": 35}, {"matched5": 36}, {"exact": True}, {"matched5": 35},
    ]  # fmt: skip
    evidence, _, _ = columns([match(L=40, **one) for one in figures])
    assert discountable(evidence, PRESETS["default"]).tolist() == [False, True, False, False, True]
