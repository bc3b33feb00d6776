"""No text of the data can act on the page or swell it, and the page needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import pytest

from tests.spine.report_pages import EMPTY, HOSTILE, Outline, large, page
from thresher.report import Report, figures, render


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    outline = Outline(page(large()))
    assert not {"script", "img", "link", "iframe", "object", "base", "form"} & set(outline.tags)
    names = {name for name, _ in outline.attributes}
    assert not {n for n in names if n.startswith("on")} | names & {"src", "style", "srcset"}
    assert all(value.startswith("#") for name, value in outline.attributes if name == "href")
    html = page(large())
    assert (
        "http:" not in html
        and "https:" not in html
        and "url(" not in html
        and "@import" not in html
    )


def test_the_policy_allows_exactly_the_style_sheet_of_the_page() -> None:
    html = page(EMPTY)
    style = html[html.index("<style>") + 7 : html.index("</style>")]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policies = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    assert [p.replace("&#39;", "'") for p in policies] == [
        f"default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-{digest}'"
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text_wherever_it_stands(text: str) -> None:
    def poison(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: poison(v) for k, v in value.items()}
        if isinstance(value, list):
            return [poison(v) for v in value]
        return f"{value} {text}" if isinstance(value, str) and value != "done" else value

    report = poison(large())
    report["removed_by"][text] = 4
    report["config"][text] = {text: [text]}
    report["limit_message"] = text
    calm, poisoned = Outline(page(large())), Outline(page(report))
    assert set(poisoned.tags) <= set(calm.tags)
    assert {n for n, _ in poisoned.attributes} <= {n for n, _ in calm.attributes}
    assert len("".join(poisoned.data).split(text)) > 100


def test_invisible_characters_are_made_visible() -> None:
    unseen = "\x00\x08\x1b[31m\x7f\x85\u202e\u2066\u200b\ufeff\u2028\U000e0041"
    html = page(large(f"corn{unseen}mill "))
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028\u202e\u2066\ufeff\U000e0041]", html
    )
    assert "corn␀␈␛[31m␡⟨U+0085⟩⟨U+202E⟩⟨U+2066⟩⟨U+200B⟩⟨U+FEFF⟩⟨U+2028⟩⟨U+E0041⟩mill" in html


def test_a_lone_surrogate_does_not_break_the_file() -> None:
    assert figures.visible("a\ud800b").encode() == "a⟨U+D800⟩b".encode()


def test_joiners_marks_and_right_to_left_letters_are_left_alone() -> None:
    for text in ("क्‍ष", "می‌خواهم", "👩‍👩‍👧", "שלום", "ภาษาไทย"):
        assert figures.visible(text) == text


@pytest.mark.slow
def test_a_hundred_kilobytes_of_text_a_row_are_cut() -> None:
    for text in (
        "word " * 20_000,
        "語" * 100_000,
        "<&>\"'" * 20_000,
        "x" * 100_000,
        "\x00" * 100_000,
    ):
        report = large(text[:20_000])  # five times that in clusters
        report["least_similar"] = [
            pair | {"matched_id": text, "removed_text": text + "a b", "matched_text": f"b a {text}"}
            for pair in report["least_similar"]
        ]
        report["config"] |= {"note": text, text: 1}
        assert len(render(Report.model_validate(report)).encode()) < 1_500_000
    assert "more characters" in render(Report.model_validate(large("word " * 4_000)))


@pytest.mark.slow
def test_many_entries_are_capped_and_counted() -> None:
    report = large()
    for key in ("sources", "files", "ignored_files", "quarantine", "stages"):
        report[key] = report[key][:1] * 5000
    report["config"] = {f"setting_{i}": i for i in range(5000)}
    html = page(report)
    assert len(html.encode()) < 1_500_000
    assert "and 4,800 more sources" in html and "and 4,800 more files" in html
    assert "and 10 more pairs" in html and "and 10 more clusters" in html
