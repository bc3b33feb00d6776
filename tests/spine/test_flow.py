"""The picture of a recipe's flow holds every row and says what every step left out."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from pydantic import ValidationError

from thresher.report.flow import HEIGHT, TOP, flow_context


def _facts(*sources: tuple[int, list[int]]) -> dict[str, Any]:
    return {
        "steps": ["read", "dedup", "score"],
        "sources": [
            {
                "name": f"s{number} <b>",
                "rows_in": rows,
                "left_out": dict(zip(["read", "dedup", "score"], gone, strict=True)),
                "rows_out": rows - sum(gone),
            }
            for number, (rows, gone) in enumerate(sources)
        ],
    }


def test_bands_are_as_thick_as_there_are_rows() -> None:
    found = flow_context(_facts((300, [0, 100, 0]), (100, [0, 0, 100])))
    passed = [b for b in found["flow_bands"] if b.colour != "bad"]
    heights = [float(re.findall(r"V([\d.]+)", b.path)[0]) - _top(b.path) for b in passed]
    assert [round(h / heights[0], 2) for h in heights] == [1.0, 1.0, 0.5]
    assert all(TOP <= _top(b.path) <= TOP + HEIGHT for b in passed)
    assert sum(b.colour == "bad" for b in found["flow_bands"]) == 2


def _top(path: str) -> float:
    return float(path[1:].split("H")[0].split()[1])


def test_a_step_that_left_out_nothing_is_shown_but_not_the_reading() -> None:
    found = flow_context(_facts((10, [0, 0, 0])))
    assert found["flow_steps"] == ["dedup", "score"]
    assert flow_context(_facts((10, [1, 0, 0])))["flow_steps"] == ["read", "dedup", "score"]


def test_many_sources_become_others_in_the_picture() -> None:
    found = flow_context(_facts(*((10 + n, [0, 1, 0]) for n in range(30))))
    assert found["flow_labels"][-1].name == "23 others"
    places = [label.came for label in found["flow_labels"]]
    assert all(b - a > 25 for a, b in itertools.pairwise(places))
    assert len(found["flow"].sources) == 30


def test_rows_written_again_make_the_line_add_up() -> None:
    facts = _facts((300, [0, 100, 0]), (50, [0, 0, 0]))
    facts["sources"][0]["rows_out"] = 400
    found = flow_context(facts)
    first, second = found["flow"].sources
    assert (first.rows_in - 100 + first.added, second.added) == (400, 0)
    assert [label.rows_out for label in found["flow_labels"]] == ["200 → 400", "50"]
    assert found["flow_added"] == 200


def test_no_rows_give_a_picture_too() -> None:
    assert flow_context(_facts((0, [0, 0, 0])))["flow_bands"] == []


def test_a_source_must_name_every_step() -> None:
    facts = _facts((10, [0, 0, 0]))
    del facts["sources"][0]["left_out"]["score"]
    with pytest.raises(ValidationError, match="every step"):
        flow_context(facts)
