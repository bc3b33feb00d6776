"""The page shows the report, needs nothing else, and no text of the data can act on it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from pydantic import ValidationError

from thresher.report import Report, figures, render

EMPTY: dict[str, Any] = {
    "rows_in": 0,
    "rows_added": 0,
    "rows_kept": 0,
    "rows_removed": 0,
    "rows_quarantined": 0,
    "job": "dedup",
    "thresher_version": "0.1.0",
    "status": "done",
    "limit_message": None,
    "text_bytes_in": 0,
    "text_bytes_kept": 0,
    "text_bytes_removed": 0,
    "text_bytes_quarantined": 0,
    "sources": [],
    "files": [],
    "ignored_files": [],
    "unreadable_files": [],
    "removed_by": {},
    "similarity_histogram": {"edges": [], "counts": []},
    "cluster_sizes": [],
    "largest_clusters": [],
    "least_similar": [],
    "recall": None,
    "quarantine": [],
    "stages": [],
    "wall_seconds": 0.0,
    "plan": {},
    "config": {},
    "notes": [],
}


def expected(similarity: float) -> float:
    return 1 - (1 - similarity**5) ** 26


def large(
    text: str = "The harvest was late, and the mill stood idle until the rain came. ",
) -> dict[str, Any]:
    """A report of a million rows; `text` stands wherever the data's own text is shown."""
    source = {
        "rows_added": 0,
        "removed_exact": 40_000,
        "removed_same_words": 1_204,
        "rows_quarantined": 3,
    }
    return EMPTY | {
        "rows_in": 1_000_000,
        "rows_kept": 871_204,
        "rows_removed": 128_790,
        "rows_quarantined": 6,
        "text_bytes_in": 1_734_000_000,
        "text_bytes_kept": 1_512_000_000,
        "text_bytes_removed": 221_998_000,
        "text_bytes_quarantined": 2_000,
        "sources": [
            source
            | {
                "name": f"data/{name}",
                "files": 12,
                "rows_in": 500_000,
                "rows_kept": kept,
                "rows_removed": 499_997 - kept,
                "removed_near": 499_997 - kept - 41_204,
                "text_bytes_in": 867_000_000,
                "text_bytes_kept": 756_000_000,
                "text_bytes_removed": 110_999_000,
                "text_bytes_quarantined": 1_000,
            }
            for name, kept in (("forum", 455_000), ("crawl/2024", 416_204))
        ],
        "files": [
            {
                "name": f"data/forum/part-{i:05d}.parquet",
                "rows_in": 41_666,
                "rows_kept": 37_000,
                "rows_removed": 4_666,
                "rows_quarantined": 0,
            }
            for i in range(24)
        ],
        "ignored_files": [{"path": "data/forum/_SUCCESS", "reason": "hidden name"}],
        "unreadable_files": [
            {"path": "data/forum/part-00007.jsonl.gz", "reason": "cut gzip stream at byte 81920"}
        ],
        "removed_by": {"exact_copy": 80_000, "same_words": 2_408, "near_copy": 46_382},
        "similarity_histogram": {
            "edges": [round(0.7 + i * 0.0125, 4) for i in range(25)],
            "counts": [600 + (i * i * 7919) % 1700 + 130 * i for i in range(24)],
        },
        "cluster_sizes": [
            {"size": s, "clusters": max(60_000 // (s * s), 1)}
            for s in (2, 3, 4, 5, 7, 12, 30, 90, 413)
        ],
        "largest_clusters": [
            {
                "kept_id": f"data/forum/part-00001.parquet:{1000 + k}",
                "size": 413 - 9 * k,
                "text": f"{k} {text * 5}",
                "members": [
                    {
                        "id": f"data/forum/part-00002.parquet:{j}",
                        "reason": ("exact_copy", "near_copy", "same_words")[j % 3],
                        "score": (None, 0.9312, None)[j % 3],
                        "text": f"{j} {text * 5}",
                    }
                    for j in range(10)
                ],
            }
            for k in range(30)
        ],
        "least_similar": [
            {
                "removed_id": f"data/forum/part-00003.parquet:{k}",
                "matched_id": f"data/crawl/part-00001.parquet:{k}",
                "score": round((70 + k) / 100, 4),
                "shared": 70 + k,
                "union": 100,
                "removed_text": text * 6
                + "Nobody had seen so little corn in the autumn of 1912. "
                + text,
                "matched_text": text * 6
                + "No one saw so much corn in the autumn of 1913! "
                + text
                + "And more.",
            }
            for k in range(30)
        ],
        "recall": {
            "threshold": 0.7,
            "bands": 26,
            "rows_per_band": 5,
            "expected_at_threshold": expected(0.7),
            "expected_curve": [
                {"similarity": i / 50, "probability": expected(i / 50)} for i in range(51)
            ],
            "sampled_rows": 2_000,
            "compared_rows": 871_204,
            "missed": 1,
            "estimate": 0.9983,
            "low": 0.9941,
            "high": 0.9998,
            "near_threshold_estimate": 0.9921,
            "note": "Kept rows drawn at random, compared with all rows before them; 95 % interval.",
        },
        "quarantine": [
            {
                "reason": "invalid_utf8",
                "rows": 6,
                "examples": [
                    {"id": "data/forum/part-00004.parquet:17", "detail": "byte 0xff at 12"}
                ],
            }
        ],
        "stages": [
            {
                "name": name,
                "kind": kind,
                "tasks": 48,
                "resumed": resumed,
                "rows": 1_000_000,
                "bytes": num_bytes,
                "exchanged": 0,
                "seconds": seconds,
            }
            for name, kind, resumed, num_bytes, seconds in (
                ("signatures", "map", 12, 1_734_000_000, 14.2),
                ("collapse", "exchange", 0, 64_000_000, 2.31),
                ("candidates", "exchange", 0, 412_000_000, 5.07),
                ("verify", "map", 0, 220_000_000, 3.9),
                ("decide", "map", 0, 16_000_000, 0.42),
                ("select", "map", 0, 1_734_000_000, 19.8),
            )
        ],
        "wall_seconds": 46.1,
        "plan": {"bands": 26, "rows_per_band": 5, "splits": 48, "largest_task_bytes": 312_000_000},
        "config": {
            "threshold": 0.7,
            "text_column": "text",
            "keep": "first",
            "clusters": "greedy",
            "shingle": {"kind": "word", "n": 5},
            "inputs": ["data/forum", "data/crawl/2024"],
            "max_removed_fraction": 0.9,
        },
        "notes": ["Sources in order of priority: data/forum, data/crawl/2024."],
    }


def page(report: dict[str, Any]) -> str:
    return render(Report.model_validate_json(json.dumps(report)))


class Outline(HTMLParser):
    """Collects tags, attributes and text, and checks that elements close in order."""

    VOID = frozenset({"meta", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.data: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.data.append(data)


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


HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</style><style>*{display:none}</style>",
    '" onmouseover="alert(1)" x=\'',
    "</title></textarea></svg><svg onload=alert(1)>",
    "<!-- --><![CDATA[",
    "&lt;b&gt; {{ 7 * 7 }} {% raw %}",
    "javascript:alert(1)",
)


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


def test_many_entries_are_capped_and_counted() -> None:
    report = large()
    for key in ("sources", "files", "ignored_files", "quarantine", "stages"):
        report[key] = report[key][:1] * 5000
    report["config"] = {f"setting_{i}": i for i in range(5000)}
    html = page(report)
    assert len(html.encode()) < 1_500_000
    assert "and 4,800 more sources" in html and "and 4,800 more files" in html
    assert "and 10 more pairs" in html and "and 10 more clusters" in html


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
