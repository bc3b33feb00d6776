"""The page shows the report, and the report's model knows what a report is."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pydantic import ValidationError

from tests.spine.report_pages import EMPTY, Outline, large, page
from thresher.report import Report, figures


def test_a_large_report_is_small_and_states_the_balance() -> None:
    html = page(large())
    assert len(html.encode()) < 400_000
    for figure in (
        "1,000,000 rows in, 871,204 kept",
        "1.73 GB",
        "128,790",
        "99.16 %",
        "26 bands of 5",
    ):
        assert figure in html, figure
    assert "thresher explain . data/forum/part-00003.parquet:0" in html


def test_an_empty_report_renders_without_the_parts_it_lacks() -> None:
    html = page(EMPTY)
    Outline(html)
    assert "0 rows in, 0 kept" in html
    assert "No row was removed as a near copy" in html
    assert not any(f'id="{part}"' in html for part in ("recall", "pairs", "clusters", "quarantine"))


def test_a_stopped_run_says_why_and_what_to_do() -> None:
    html = page(
        large() | {"status": "limit", "limit_message": "data/forum: 93 % removed, limit 90 %"}
    )
    assert "nothing was published" in html and "93 % removed" in html
    assert "thresher verify" not in html


def test_a_stage_that_resumed_tasks_states_no_rate() -> None:
    stage = {
        "name": "verify",
        "kind": "map",
        "tasks": 2,
        "rows": 300,
        "bytes": 9_000_000,
        "exchanged": 0,
        "seconds": 2.0,
    }
    for resumed, rates in ((0, ["150", "4.5"]), (1, ["–", "–"])):
        html = page(EMPTY | {"stages": [stage | {"resumed": resumed}]})
        row = html[html.index("verify</th>") :].split("</tr>")[0]
        assert re.findall(r"<td>([^<]*)</td>", row)[-2:] == rates


def test_ids_in_commands_are_quoted_for_the_shell() -> None:
    report = large()
    report["least_similar"] = [report["least_similar"][0] | {"removed_id": "a b; rm -rf ~ 'x'"}]
    data = "".join(Outline(page(report)).data)
    assert """thresher explain . 'a b; rm -rf ~ '"'"'x'"'"''""" in data


def test_tables_have_headers_and_drawings_have_names() -> None:
    html = page(large())
    for table in re.findall(r"<table.*?</table>", html, re.S):
        assert '<th scope="col"' in table
        assert table.count("<tbody>") == 1
    for svg in re.findall(r"<svg[^>]*>", html):
        assert "aria-label=" in svg or 'aria-hidden="true"' in svg


def test_the_keys_of_the_model_stand_in_the_order_of_the_file() -> None:
    assert list(Report.model_fields) == list(EMPTY)
    report = Report.model_validate(large())
    assert list(json.loads(report.model_dump_json())) == list(EMPTY)
    assert Report.model_validate_json(report.model_dump_json()) == report


@pytest.mark.parametrize(
    "change",
    [
        {"surplus": 1},
        {"rows_in": -1},
        {"status": "maybe"},
        {"similarity_histogram": {"edges": [0, 1], "counts": [1, 2]}},
        {"similarity_histogram": {"edges": [1, 0.5], "counts": [1]}},
        {"wall_seconds": float("nan")},
    ],
)
def test_a_report_that_does_not_fit_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Report.model_validate(EMPTY | change)
    with pytest.raises(ValidationError):
        Report.model_validate({k: v for k, v in EMPTY.items() if k != "removed_by"})


def test_figures_read_as_a_person_writes_them() -> None:
    assert [figures.size(b) for b in (0, 999, 1000, 999_600, 12_340_000, 1_734_000_000)] == [
        "0 B",
        "999 B",
        "1.00 kB",
        "1.00 MB",
        "12.3 MB",
        "1.73 GB",
    ]
    assert [figures.duration(s) for s in (0.001, 9.996, 59.96, 245, 7380)] == [
        "0.00 s",
        "10.0 s",
        "1 min 00 s",
        "4 min 05 s",
        "2 h 03 min",
    ]
    assert figures.share(0, 5) == "0 %" and figures.share(5, 5) == "100 %"
    assert figures.share(1, 10**6) == "< 0.1 %" and figures.share(999_999, 10**6) == "> 99.9 %"
    assert figures.share(1, 0) == "–" and figures.rate(10, 0) == "–"
