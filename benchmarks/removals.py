"""What is wrong with a removal, whoever made it, counted exactly on a generated corpus.

* `unfounded`: removed rows without any kept row at or above the threshold.
* `left`: kept rows with an earlier kept row at or above the threshold.

The similarity is the Jaccard similarity of word 5-gram sets; the corpora are plain ASCII, where a
word is `\\w+`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.oracle.exact_join import exact_join

NGRAM = 5
THRESHOLD = (7, 10)


def faults(folder: Path, kept: dict[str, set[str]]) -> dict[str, dict[str, int]]:
    """Count the faults of several tools' answers, in a process that gives its memory back.

    Args:
        folder: Parquet files with `id` and `text`.
        kept: Ids of the rows each tool kept.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_faults, folder, kept).result()


def _faults(folder: Path, kept: dict[str, set[str]]) -> dict[str, dict[str, int]]:
    import pyarrow.parquet as pq

    ids, sets = [], []
    for path in sorted(folder.glob("*.parquet")):
        table = pq.ParquetFile(path).read(columns=["id", "text"])
        ids += table["id"].to_pylist()
        sets += [_shingles(text) for text in table["text"].to_pylist()]
    pairs = [(pair.left, pair.right) for pair in exact_join(sets, *THRESHOLD)]
    return {tool: _count(ids, pairs, chosen) for tool, chosen in kept.items()}


def _shingles(text: str) -> set[int]:
    words = re.findall(r"\w+", text.lower(), re.ASCII)
    return {hash(tuple(words[i : i + NGRAM])) for i in range(max(len(words) - NGRAM, 0) + 1)}


def _count(ids: list[str], pairs: Iterable[tuple[int, int]], kept: set[str]) -> dict[str, int]:
    stays = [row_id in kept for row_id in ids]
    unfounded = {row for row, stay in enumerate(stays) if not stay}
    left = set()
    for early, late in pairs:
        if stays[early]:
            unfounded.discard(late)
        if stays[late]:
            unfounded.discard(early)
        if stays[early] and stays[late]:
            left.add(late)
    return {"unfounded": len(unfounded), "left": len(left)}
