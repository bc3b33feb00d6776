"""Reports of the job score: figures of rows that are drawn at random, but always the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tests.spine.report_pages import EMPTY
from thresher.report.quality_facts import quality_section
from thresher.signals.figures import Figures, RuleFacts
from thresher.signals.signal import Kind, Signal

SIGNALS = (
    Signal("turns", Kind.COUNT, "chat", "messages of the conversation"),
    Signal("response_words", Kind.COUNT, "chat", "words of the response"),
    Signal("response_tokens", Kind.COUNT, "tokens", "tokens of the response"),
    Signal("language", Kind.LABEL, "language", "language of the text"),
    Signal("digits", Kind.SHARE, "text", "characters that are digits"),
    Signal("entropy", Kind.NUMBER, "text", "entropy of words"),
    Signal("empty", Kind.FLAG, "chat", "the response is blank"),
    Signal("chosen_words", Kind.COUNT, "preference", "words of the chosen answer"),
    Signal("rejected_words", Kind.COUNT, "preference", "words of the rejected answer"),
    Signal("unseen", Kind.COUNT, "code", "no row has it"),
)
RULES = (
    RuleFacts("too_few_words", "response_words", 10, None, "remove", "response_words >= 10"),
    RuleFacts("many_digits", "digits", None, 0.5, "remove", "digits <= 0.5"),
    RuleFacts("wrong_language", "language", None, None, "tag", "language one of en"),
    RuleFacts("empty", "empty", None, None, "remove", "empty no"),
    RuleFacts("odd_entropy", "entropy", -40, 40, "tag", "entropy >= -40 and <= 40"),
)


def columns(rows: int, seed: int, labels: Sequence[str]) -> dict[str, pa.Array]:
    """Draw values for each kind of signal; one in ten is null."""
    draw = np.random.default_rng(seed)
    words = draw.lognormal(4, 1.2, rows).astype(np.int64)
    values = {
        "turns": 2 * draw.integers(1, 5, rows),
        "response_words": words,
        "response_tokens": words * 4 // 3,
        "language": draw.choice(list(labels), rows),
        "digits": draw.beta(0.6, 5, rows),
        "entropy": draw.normal(4, 2, rows),
        "empty": words == 0,
        "chosen_words": words,
        "rejected_words": draw.lognormal(3.8, 1, rows).astype(np.int64),
    }
    lacking = draw.random(rows) < 0.1
    by_kind = {s.name: s.kind.type for s in SIGNALS}
    return {name: pa.array(v, by_kind[name], mask=lacking) for name, v in values.items()} | {
        "unseen": pa.nulls(rows, pa.int64())
    }


def figures(
    source: str = "in",
    rows: int = 500,
    seed: int = 1,
    text: str = "The mill stood idle.",
    labels: Sequence[str] = ("en", "en", "de", "fr"),
) -> Figures:
    """Count rows of one source under RULES."""
    values = columns(rows, seed, labels)
    fired = np.zeros((len(RULES), rows), bool)
    judged = np.zeros((len(RULES), rows), bool)
    for i, rule in enumerate(RULES):
        for j, value in enumerate(values[rule.signal].to_pylist()):
            judged[i, j] = value is not None
            if value is None:
                continue
            if rule.name == "wrong_language":
                fired[i, j] = value != "en"
            elif rule.name == "empty":
                fired[i, j] = value
            else:
                low, high = rule.low, rule.high
                fired[i, j] = bool(
                    (low is not None and value < low) or (high is not None and value > high)
                )
    found = Figures(SIGNALS, RULES)
    found.add(
        pa.record_batch(values),
        fired,
        judged,
        np.array(~fired[[r.action == "remove" for r in RULES]].any(axis=0)),
        positions=np.arange(rows) + seed * 10**6,
        names=pa.array([f"{source}/part.jsonl:{i}" for i in range(rows)]).take,
        texts=pa.array([f"{i} {text}" for i in range(rows)]),
    )
    return found


def scored(parts: Sequence[tuple[str, Figures]], **known: Any) -> dict[str, Any]:
    """Return a report of the job score with these figures."""
    given: dict[str, Any] = {"profile": "sft", "about": "Chat rows.", "options": {"flavor": "dclm"}}
    quality = quality_section(parts, **(given | known))
    rows = np.sum([f.rows for _, f in parts], axis=0).tolist()
    none = dict.fromkeys(("removed_exact", "removed_same_words", "removed_near", "rows_added"), 0)
    bytes_ = dict.fromkeys(("in", "kept", "removed", "quarantined"), 0)
    sources = [
        none
        | {f"text_bytes_{key}": value for key, value in bytes_.items()}
        | {
            "name": name,
            "files": 1,
            "rows_in": int(f.rows.sum()),
            "rows_kept": int(f.rows[1]),
            "rows_removed": int(f.rows[0]),
            "rows_quarantined": 0,
        }
        for name, f in parts
    ]
    return EMPTY | {
        "job": "score",
        "rows_in": sum(rows),
        "rows_kept": rows[1],
        "rows_removed": rows[0],
        "sources": sources,
        "removed_by": {"too_few_words": rows[0]},
        "plan": {"tasks": 2, "quality": quality},
        "config": {"profile": "sft"},
    }
