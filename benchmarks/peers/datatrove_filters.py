"""Run datatrove's filters over the texts of a Parquet file, in its own environment, on one core.

Called by `quality.py` with the interpreter of an environment made from `datatrove.txt`; it imports
nothing of Thresher. Each filter sees every text, with datatrove's defaults (spaCy words, English),
as if it alone were run; `together` is all of them on one text after the other, which split it into
words once.

Standard output ends with one JSON line: `tool, version, rows, bytes, seconds` (of processor time by
filter, the best of the repeats, without the making of documents) and `kept`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

FILTERS = (
    "GopherQualityFilter",
    "GopherRepetitionFilter",
    "C4QualityFilter",
    "FineWebQualityFilter",
)


def main() -> None:
    """Time every filter and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input", type=Path)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()

    import pyarrow.parquet as pq
    from datatrove.pipeline import filters
    from datatrove.utils.text import split_into_parts

    texts = pq.read_table(options.input)["text"].to_pylist()
    seconds, kept = {}, {}
    for name in FILTERS:
        judge = getattr(filters, name)()
        best = float("inf")
        for _ in range(options.repeats):
            documents = _documents(texts)
            split_into_parts.cache_clear()
            begin = time.process_time()
            with contextlib.redirect_stdout(sys.stderr):
                found = [judge.filter(document) is True for document in documents]
            best = min(best, time.process_time() - begin)
        seconds[name], kept[name] = best, sum(found)
    seconds["together"] = min(_together(filters, texts) for _ in range(options.repeats))
    facts = {
        "tool": "datatrove",
        "version": version("datatrove"),
        "rows": len(texts),
        "bytes": sum(len(text.encode()) for text in texts),
        "seconds": seconds,
        "kept": kept,
    }
    print(json.dumps(facts))


def _together(filters: Any, texts: list[str]) -> float:
    from datatrove.data import Document

    judges = [getattr(filters, name)() for name in FILTERS]
    begin = time.process_time()
    with contextlib.redirect_stdout(sys.stderr):
        for text in texts:
            for judge in judges:
                judge.filter(Document(text=text, id=""))
    return time.process_time() - begin


def _documents(texts: list[str]) -> list[Any]:
    from datatrove.data import Document

    return [Document(text=text, id=str(number)) for number, text in enumerate(texts)]


if __name__ == "__main__":
    main()
