"""Judge matches again without n-grams that many rows share; no row is read for it.

Every task of the search counted its rows by n-gram; their sum, which does not depend on how rows
were cut into tasks, says which n-grams are common.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.leaks.discount import count_rows, judge_again
from thresher.stage import Receipt, Task
from thresher.steps.attributes import Alive
from thresher.steps.leak_searching import SearchStep, doubts_name, match_name, whole_name
from thresher.steps.spread import read_table, write_table
from thresher.store import Store

Column = np.ndarray[Any, Any]


@dataclass(frozen=True)
class SettleStep:
    """What judging a task's matches again needs to know.

    Args:
        search: How rows were searched.
        folder: Of the search stage.
        common: Folder of the n-grams that are common and the items that were found whole.
    """

    search: SearchStep
    folder: str
    common: str


def counts_name(folder: str, task: int) -> str:
    """Return the name of the rows of a task by n-gram."""
    return f"{folder}/counts-{task:05d}.arrow"


def items_name(folder: str, task: int) -> str:
    """Return the name of the items that some row of a task holds nearly all of."""
    return f"{folder}/items-{task:05d}.arrow"


def count_task(
    search: SearchStep,
    found: str,
    alive: tuple[Alive, ...],
    store: Store,
    folder: str,
    task: Task,
) -> Receipt:
    """Count one task's rows by n-gram, and its items that are found whole.

    Args:
        search: How rows were searched.
        found: Folder of what was found.
        alive: Rows that one of these leaves out are not counted.
    """
    doubts = read_table(store, doubts_name(found, task.index))
    whole = read_table(store, whole_name(found, task.index))
    for step in alive:
        left = step.mask(store, task.index)
        if len(doubts):  # without any it has no columns
            doubts = doubts.filter(pa.array(left[np.asarray(doubts["line"], np.int64)]))
        whole = whole.filter(pa.array(left[np.asarray(whole["line"], np.int64)]))
    indexed = search.open_index(store.root, search.index)
    counts = count_rows(indexed, doubts)
    items = pa.table({"uid": np.unique(np.asarray(whole["uid"], np.int64))})
    files = (
        write_table(store, counts_name(folder, task.index), counts),
        write_table(store, items_name(folder, task.index), items),
    )
    return Receipt(task=task.index, rows_in=len(doubts), rows_out=len(counts), files=files)


def keep_common(store: Store, folder: str, common: pa.Table, whole: Column) -> None:
    """Write what all tasks together found."""
    write_table(store, f"{folder}/common.arrow", common)
    write_table(store, f"{folder}/whole.arrow", pa.table({"uid": whole}))


def settle_task(how: SettleStep, store: Store, folder: str, task: Task) -> Receipt:
    """Judge one task's matches again; write them."""
    matches = read_table(store, match_name(how.folder, task.index)).combine_chunks()
    doubts = read_table(store, doubts_name(how.folder, task.index))
    common = read_table(store, f"{how.common}/common.arrow")
    whole = read_table(store, f"{how.common}/whole.arrow")["uid"].to_numpy()
    indexed = how.search.open_index(store.root, how.search.index)
    table = judge_again(indexed, how.search.presets, matches, doubts, common, whole)
    file = write_table(store, match_name(folder, task.index), table)
    return Receipt(
        task=task.index,
        rows_in=len(matches),
        rows_out=len(table),
        bytes_in=matches.nbytes,
        files=(file,),
        facts={"dropped": len(matches) - len(table)},
    )
