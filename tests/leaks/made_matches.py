"""Matches that are drawn at random, but always the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.leaks.matches import MATCH_KINDS, MATCHES, VERDICTS

ROLES = ("user", "assistant", "system", "text", "chosen")
MODES = ("exact", "ngram_ratio", "idf_overlap", "number_match")
BENCHMARKS = (("gsm8k", "test"), ("gsm8k", "train"), ("mmlu", ""))


def matches(
    rows: int = 60,
    seed: int = 1,
    *,
    source: str = "in",
    items: int = 12,
    benchmarks: Sequence[tuple[str, str]] = BENCHMARKS,
    text: str = "The mill stood idle.",
) -> list[dict[str, Any]]:
    """Draw up to four matches for each row, many of them equally strong."""
    draw = np.random.default_rng(seed)
    found = []
    for row in range(rows):
        for _ in range(draw.integers(0, 5)):
            name, split = benchmarks[int(draw.integers(len(benchmarks)))]
            start = int(draw.integers(0, 3))
            found.append(
                {
                    "_row_id": f"{source}/part.jsonl:{row}",
                    "file": f"{source}/part.jsonl",
                    "row": row,
                    "segment": int(draw.integers(0, 2)),
                    "role": ROLES[draw.integers(len(ROLES))],
                    "byte_start": start,
                    "byte_end": start + 9,
                    "benchmark": name,
                    "split": split,
                    "item_id": f"{name}-{draw.integers(items)}",
                    "field": "question",
                    "mode": MODES[draw.integers(len(MODES))],
                    "match_kind": MATCH_KINDS[draw.integers(4)],
                    "verdict": VERDICTS[draw.integers(2)],
                    "tokens": 20,
                    "cover_5": float(draw.integers(2, 5)) / 4,
                    "cover_8": 0.5,
                    "ngram_ratio": 0.5,
                    "longest": 13,
                    "lcs": 14,
                    "widf": 0.75,
                    "numbers": "3/4",
                    "answer_found": bool(draw.integers(2)),
                    "train_snippet": f"{row} {text}",
                    "eval_snippet": text,
                }
            )
    return found


def batch(lines: Sequence[dict[str, Any]]) -> pa.RecordBatch:
    """Write matches as workers do."""
    return pa.RecordBatch.from_pylist(list(lines), schema=MATCHES)
