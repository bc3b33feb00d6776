"""Reports to render: empty, of a million rows, of texts that attack; and the outline of a page."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

from thresher.report import Report, render

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
    "content": "",
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
