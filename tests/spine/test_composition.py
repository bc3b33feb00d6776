"""The composition adds up, and its tables stay small and safe whatever the names are."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from thresher.report.composition import composition_context, composition_markdown


def amounts(rows: int, **languages: int) -> dict[str, Any]:
    return {
        "rows": rows,
        "tokens": 10 * rows,
        "turns": 3 * rows,
        "turned": rows,
        "languages": languages,
        "other": 0,
        "unknown": rows - sum(languages.values()),
    }


def facts(parts: list[tuple[str | None, int, int]], category: str | None = None) -> dict[str, Any]:
    told = [{"name": n, "before": amounts(b, en=b), "after": amounts(a, en=a)} for n, b, a in parts]
    before, after = (sum(part[at] for part in parts) for at in (1, 2))
    whole = {"name": None, "before": amounts(before, en=before), "after": amounts(after, en=after)}
    return {
        "counter": "estimate 1",
        "exact": False,
        "detector": None,
        "sources": [{**whole, "name": "all | of it"}],
        "category": category,
        "categories": told if category else [],
        "whole": whole,
    }


def test_figures_that_do_not_add_up_are_refused() -> None:
    wrong = facts([("a", 5, 3)], "kind")
    wrong["categories"][0]["after"] = amounts(4, en=4)
    with pytest.raises(ValidationError, match="rows after do not add up"):
        composition_context(wrong)
    wrong = facts([("a", 5, 3)])
    wrong["whole"]["before"]["unknown"] = 7
    with pytest.raises(ValidationError, match="languages do not add up"):
        composition_context(wrong)


def test_the_largest_categories_come_first_and_the_others_are_counted() -> None:
    parts: list[tuple[str | None, int, int]] = [(f"k{n}", 10, n) for n in range(300)]
    found = composition_context(facts([*parts, (None, 4, 0)], "kind"))
    by_kind = found["composition_tables"][1]
    assert by_kind.lines[0].part.name == "k299"
    assert (len(by_kind.lines), by_kind.all) == (200, 301)
    assert [label for label, _ in by_kind.legend][-1] == "others"
    card = composition_markdown(facts([*parts, (None, 4, 0)], "kind"))
    assert "| and 251 more |" in card
    assert "| all   of it |" in card  # a bar in a name ends no cell


def test_rows_without_turns_or_language_have_dashes() -> None:
    silent = facts([("a", 2, 2)])
    for part in (silent["whole"], *silent["sources"]):
        for side in ("before", "after"):
            part[side] |= {"turned": 0, "turns": 0, "languages": {}, "unknown": 2}
    line = composition_context(silent)["composition_whole"]
    assert line.turns == ("–", "–") and line.languages == "–"
