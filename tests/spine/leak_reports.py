"""Reports of the job decontaminate: matches that are drawn at random, but always the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.leaks.made_matches import batch, matches
from tests.spine.report_pages import EMPTY
from thresher.leaks.tallies import LeakTally
from thresher.report.leaks_facts import leaks_section

RECORD: dict[str, Any] = {
    "tool_version": "0.1.0",
    "preset": "default",
    "thresholds": {"ngram_ratio.cover_8": 0.5, "ngram_ratio.cover_5": 0.6, "idf_overlap": 0.7},
    "action": "drop",
    "normaliser": "1",
    "ngrams": [5, 8],
    "roles": ["user", "assistant"],
    "config_hash": "5f0c9a",
    "index_hash": "b6d1e2",
}
ABOUT: tuple[dict[str, Any], ...] = (
    {"name": "gsm8k", "split": "test", "kind": "math", "items": 12, "indexed": 12},
    {"name": "gsm8k", "split": "train", "kind": "math", "items": 700, "indexed": 699}
    | {"unindexable": [{"reason": "fewer than 3 tokens", "items": 1, "examples": ["gsm8k-77"]}]},
    {"name": "mmlu", "split": "", "kind": "mcq", "items": 40, "indexed": 40},
    {"name": "humaneval", "split": "test", "kind": "code", "items": 164, "indexed": 164},
)
COMMON = ({"text": "which of the following is", "items": 900, "rows": 12},)


def tally_of(*parts: Sequence[dict[str, Any]]) -> LeakTally:
    """Count matches, those of each part as a source."""
    tally = LeakTally()
    for source, lines in enumerate(parts):
        tally.add(batch(lines), source)
    return tally


def parts() -> list[list[dict[str, Any]]]:
    """Matches of two sources."""
    return [matches(60, 1, source="chats"), matches(9, 2, source="web")]


def leaking(
    found: Sequence[Sequence[dict[str, Any]]] | None = None,
    sources: Sequence[tuple[str, int]] = (("chats", 100), ("web", 50)),
    benchmarks: Sequence[dict[str, Any]] = ABOUT,
    **known: Any,
) -> dict[str, Any]:
    """Return a report of the job decontaminate with these matches."""
    tally = tally_of(*(parts() if found is None else found))
    given: dict[str, Any] = {"record": RECORD, "common": COMMON}
    leaks = leaks_section(tally, benchmarks, sources, **(given | known))
    none = dict.fromkeys(
        [f"removed_{what}" for what in ("exact", "same_words", "near")]
        + [f"text_bytes_{what}" for what in ("in", "kept", "removed", "quarantined")]
        + ["rows_added", "rows_quarantined"],
        0,
    )
    of_source = [
        none
        | {"name": name, "files": 1, "rows_in": rows}
        | {"rows_kept": rows - removed, "rows_removed": removed}
        for number, (name, rows) in enumerate(sources)
        for _, removed in [tally.rows.get(number, [0, 0])]
    ]
    rows_in = sum(rows for _, rows in sources)
    return EMPTY | {
        "job": "decontaminate",
        "rows_in": rows_in,
        "rows_kept": rows_in - leaks["rows"],
        "rows_removed": leaks["rows"],
        "sources": of_source,
        "removed_by": {"gsm8k": leaks["rows"]},
        "plan": {"tasks": 2, "leaks": leaks},
        "config": {"preset": "default"},
    }
