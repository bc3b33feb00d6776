"""The page of a conversion: formats, losses and rows written, and nothing about similarity."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from pydantic import ValidationError

from tests.spine.report_pages import EMPTY, HOSTILE, Outline, page
from thresher.report import Report

NAMES = ("chats.jsonl", "pairs.jsonl", "empty.jsonl")


def converted() -> dict[str, Any]:
    """A report of three files: one lost a column, one was cut in two, one has no rows."""
    rows = dict(zip(NAMES, ((900, 0, 100), (450, 50, 0), (0, 0, 0)), strict=True))
    counts = ("rows_kept", "rows_removed", "rows_quarantined")
    facts = {
        "detected": {
            "chats.jsonl": {
                "formats": ["alpaca", "sharegpt"],
                "confidence": 0.97,
                "reasons": ["columns conversations", "970 of 1,000 rows can be read"],
            },
            "pairs.jsonl": {"formats": ["kto"], "confidence": 1.0, "reasons": ["columns label"]},
            "empty.jsonl": {"formats": [], "confidence": 0.0, "reasons": ["no rows"]},
        },
        "rows_by_format": {"alpaca": 400, "kto": 500, "sharegpt": 500},
        "losses": {"extra column 'note'": 321, "boundary of instruction and input": 12},
        "form_only": ["boundary of instruction and input"],
        "columns": ["messages", "tools"],
        "trainer_file": "trl_example.py",
        "examples": [["chats.jsonl:7", '{"messages": ["sown"]}']],
    }
    source = dict.fromkeys(("removed_exact", "removed_same_words", "removed_near"), 0) | {
        "name": "in",
        "files": 3,
        "rows_in": 1500,
        "rows_added": 25,
        "rows_kept": 1375,
        "rows_removed": 50,
        "rows_quarantined": 100,
        "text_bytes_in": 4,
        "text_bytes_kept": 2,
        "text_bytes_removed": 1,
        "text_bytes_quarantined": 1,
    }
    return copy.deepcopy(EMPTY) | {
        "job": "convert",
        "rows_in": 1500,
        "rows_added": 25,
        "rows_kept": 1375,
        "rows_removed": 50,
        "rows_quarantined": 100,
        "sources": [source],
        "files": [
            {"name": n, "rows_in": sum(r)} | dict(zip(counts, r, strict=True))
            for n, r in rows.items()
        ],
        "removed_by": {"undesirable": 50},
        "quarantine": [
            {
                "reason": "column 'chosen' is null",
                "rows": 100,
                "examples": [{"id": "chats.jsonl:3", "detail": "column 'chosen' is null"}],
            }
        ],
        "plan": {"tasks": 2, "conversion": facts},
        "config": {"to": "trl-sft", "format": None, "template": None},
    }


def cells(html: str, name: str) -> list[str]:
    """Return the cells of the table row with this heading."""
    row = html[html.index(f">{name}</th>") :].split("</tr>")[0]
    return [re.sub("<.*", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)]


def test_every_file_stands_with_its_format_and_its_rows_by_verdict() -> None:
    html = page(converted())
    assert cells(html, "chats.jsonl")[:6] == [
        "alpaca, sharegpt",
        "0.97",
        "1,000",
        "900",
        "0",
        "100",
    ]
    assert cells(html, "pairs.jsonl")[:6] == ["kto", "1.00", "500", "450", "50", "0"]
    assert cells(html, "empty.jsonl")[0] == "no rows"


def test_a_format_that_was_given_has_no_confidence() -> None:
    report = converted()
    report["config"]["format"] = "alpaca"
    assert cells(page(report), "chats.jsonl")[1] == "given"


def test_losses_stand_by_kind() -> None:
    html = page(converted())
    assert cells(html, "extra column &#39;note&#39;") == ["321", "lost"]
    assert cells(html, "boundary of instruction and input") == ["12", "changed in form only"]
    report = converted()
    report["plan"]["conversion"]["losses"] = {}
    assert "Nothing was lost." in page(report)


def test_the_target_and_the_balance_head_the_page() -> None:
    html = page(converted())
    assert "<h1>1,500 rows in, 1,375 written as trl-sft</h1>" in html
    assert cells(html, "in")[:4] == ["3", "1,500", "25", "1,375"]
    assert '<pre class="command">trl_example.py</pre>' in html
    assert "thresher explain . chats.jsonl:3<" in html
    assert "sown" in html


def test_nothing_is_said_of_similarity() -> None:
    shown = page(converted()).split("</style>")[1].lower()
    for word in ("similar", "cluster", "copies", "same<br>words", "recall"):
        assert word not in shown
    assert "similarity" in page(EMPTY).lower()
    assert 'id="conversion"' not in page(EMPTY)


def test_links_of_the_page_lead_somewhere() -> None:
    html = page(converted())
    ids = set(re.findall(r'id="([^"]+)"', html))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= ids


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text_in_a_conversion(text: str) -> None:
    def poison(value: Any) -> Any:
        if isinstance(value, dict):
            return {f"{k} {text}" if " " in k else k: poison(v) for k, v in value.items()}
        if isinstance(value, list):
            return [poison(v) for v in value]
        kept = ("done", "convert", *NAMES)
        return f"{value} {text}" if isinstance(value, str) and value not in kept else value

    report = poison(converted())
    calm, poisoned = Outline(page(converted())), Outline(page(report))
    assert set(poisoned.tags) <= set(calm.tags)
    assert {n for n, _ in poisoned.attributes} <= {n for n, _ in calm.attributes}
    assert len("".join(poisoned.data).split(text)) > 10


def test_many_files_and_losses_are_capped_and_counted() -> None:
    report = converted()
    facts = report["plan"]["conversion"]
    facts["losses"] = {f"extra column 'c{i}'": 1 for i in range(1000)}
    facts["detected"] = {f"f{i}": facts["detected"]["chats.jsonl"] for i in range(1000)}
    report["files"] = [report["files"][0] | {"name": f"f{i}"} for i in range(1000)]
    html = page(report)
    assert len(html) < 400_000
    assert "and 800 more files" in html
    assert "and 800 more kinds of loss" in html


def test_facts_that_do_not_fit_are_refused() -> None:
    report = converted()
    report["plan"]["conversion"]["losses"] = {"label": -1}
    with pytest.raises(ValidationError):
        page(report)
    assert Report.model_validate(EMPTY).conversion is None
