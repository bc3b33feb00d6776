"""What `split` decides: which group goes where, checked and made again until nothing leaks.

The driver holds one part of the order at a time and the groups of the held-out splits; what is
decided is small and travels with the tasks that write rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.errors import LimitError
from thresher.params import digest_of
from thresher.run import Run
from thresher.splitting.assignment import HELD, NAMES, Assigner, Split
from thresher.splitting.targets import apportion, wanted_rows
from thresher.stage import WORK, ExchangeStage, MapStage, Task
from thresher.steps.auditing import spread_evenly
from thresher.steps.owned import Owned
from thresher.steps.split_checking import (
    Check,
    check_edges,
    check_held,
    draw_held,
    emit_key_splits,
    reduce_key_splits,
)
from thresher.steps.split_grouping import Grouping, Placed
from thresher.steps.split_noting import Noted
from thresher.steps.split_walking import Walked, keep_held, walk_groups
from thresher.steps.spread import read_table
from thresher_jobs.dedup_state import State, decide_params, partitions_of
from thresher_jobs.split_params import SplitParams
from thresher_jobs.split_stages import (
    KEYS_PER_PARTITION,
    Groups,
    Ties,
    find_ties,
    join_ties,
    order_groups,
    send_home,
)

Column = np.ndarray[Any, Any]
MAX_ROUNDS = 8


@dataclass(frozen=True)
class Checked:
    """What the leak check saw.

    Args:
        rows: Held-out rows that were compared.
        of: Held-out rows there are, copies left out.
        compared: Rows they were compared with.
        whole: Whether these are all rows of the other splits.
        pairs: Pairs at or above the threshold across a border, that the check found.
        edges: Verified pairs, copies among them, that lie across a border.
        keys: By kind, keys whose rows lie in several splits.
    """

    rows: int
    of: int
    compared: int
    whole: bool
    pairs: int
    edges: int
    keys: tuple[int, ...]


@dataclass
class Decision:
    """Where every row goes, and what is known of it.

    Args:
        placed: By row.
        ties: What ties rows together.
        home: The same, by row.
        groups: The groups.
        wanted: (3, S) rows by split and stratum; train is what is left.
        walked: What each split got.
        checked: The leak check of the last round.
        rounds: How often the split was made.
        found: Pairs that the check found and tied.
    """

    placed: Placed
    ties: Ties
    home: Owned
    groups: Groups
    wanted: Column
    walked: Walked
    checked: Checked
    rounds: int = 1
    found: int = 0


@dataclass(frozen=True)
class Wish:
    """What the user wants.

    Args:
        params: The job's parameters.
        border: The age of the point in time from which rows are test; None without one.
        by_age: Ages of the youngest and the oldest row, where the youngest groups come first.
    """

    params: SplitParams
    border: int | None = None
    by_age: tuple[int, int] | None = None


def decide_split(run: Run, state: State, wish: Wish, noted: Noted) -> Decision:
    """Tie rows together, give groups to splits, and check what lies across the borders.

    Args:
        run: Where to run.
        state: The rows with the attributes that copies are found by.
        wish: What is wanted.
        noted: What was noted of the rows beside their text.

    Raises:
        LimitError: More rows are wanted than there are, or no group fits a split.
    """
    ties = find_ties(run, state, wish.params.copies, noted)
    parts, found = list(ties.parts), 0
    for number in range(1, MAX_ROUNDS + 1):
        key = digest_of([part.payload for part in parts])
        labels = join_ties(run, state, parts, key)
        how = Grouping(state.attributes, noted, labels, wish.params.seed, wish.border, wish.by_age)
        groups = order_groups(run, state, how, key)
        wanted = wanted_by_stratum(wish.params, groups.rows)
        placed, walked = _walk(run, state, wish, ties, groups, wanted, key)
        out = int(walked.rows[list(HELD)].sum())
        checked, more = _check(run, state, wish.params, noted, placed, parts, out, key)
        if not (checked.pairs and checked.whole) or number == MAX_ROUNDS:
            break
        found += checked.pairs
        parts += [Task(len(parts) + at, name) for at, name in enumerate(more)]
    home = send_home(run, state, parts, key)
    return Decision(placed, ties, home, groups, wanted, walked, checked, number, found)


def wanted_by_stratum(params: SplitParams, sizes: list[int]) -> Column:
    """Return (3, S) rows wanted, by split and stratum; train gets what is left.

    Raises:
        LimitError: More rows are wanted than there are.
    """
    total = sum(sizes)
    wanted = np.zeros((len(Split), len(sizes)), np.int64)
    for split, amount in zip(HELD, params.amounts, strict=True):
        rows = wanted_rows(amount, total)
        if rows > total:
            raise LimitError(
                f"{NAMES[split]} wants {rows:,} rows, there are {total:,}",
                remedy=f"lower --{NAMES[split]}",
            )
        wanted[split] = apportion(rows, sizes)
    held = int(wanted.sum())
    if held and held >= total:
        raise LimitError(
            f"test and validation want {held:,} of {total:,} rows: nothing is left to train on",
            remedy="lower --test or --validation",
        )
    wanted[Split.TRAIN] = np.array(sizes, np.int64) - wanted.sum(axis=0)
    return wanted


def _walk(
    run: Run, state: State, wish: Wish, ties: Ties, groups: Groups, wanted: Column, key: str
) -> tuple[Placed, Walked]:
    walked = walk_groups(
        run.store,
        groups.parts,
        Assigner(wanted[list(HELD)]),
        pinned=wish.params.by is not None or wish.border is not None,
        totals=np.array(groups.rows, np.int64),
    )
    for split in HELD:
        if wanted[split].sum() and not walked.rows[split].sum():
            by_column = {name: ties.counts[name] for name in wish.params.group_by}
            raise too_small(NAMES[split], int(wanted[split].sum()), groups, by_column)
    if sum(groups.rows) and not walked.rows[list(HELD)].sum():
        raise _nothing_held(wish.params, groups)
    made_of = state.stage_key("held", key, groups.labels.folder, wish.params.digest())
    name = f"{WORK}/held-{made_of}/held.arrow"
    keep_held(run.store, name, walked.held)
    return Placed(groups.labels, name), walked


def _nothing_held(params: SplitParams, groups: Groups) -> LimitError:
    if params.after is None and params.by is None:
        return LimitError(
            f"test and validation want less than a row of {sum(groups.rows):,}",
            remedy="name a count: --test 1",
        )
    if params.after is not None:
        return LimitError(
            f"no group of rows that belong together is from {params.border} on",
            remedy="name an earlier time, or let fewer rows belong together (--threshold higher)",
        )
    named = ", ".join([*params.test_values, *params.validation_values])
    return LimitError(
        f"no group of rows lies wholly in test or validation by column '{params.by}' "
        f"(values looked for: {named})",
        remedy="name the values with --set test_values=a,b, or let fewer rows belong together",
    )


def too_small(split: str, wanted: int, groups: Groups, by_column: Mapping[str, int]) -> LimitError:
    """Return the error for a split that no group fits.

    Args:
        split: Its name.
        wanted: Rows.
        groups: That there are.
        by_column: How many rows each column of group_by ties to another.
    """
    smallest = min(groups.sizes, default=0)
    tied = ", ".join(f"{rows:,} by '{name}'" for name, rows in by_column.items() if rows)
    fewer = "fewer columns in --group-by (any of them ties rows), " if tied else ""
    return LimitError(
        f"{split} wants {wanted:,} rows, and no group of rows that belong together fits: the "
        f"smallest has {smallest:,}, the largest {groups.largest[0]:,}"
        + (f"; --group-by ties rows with equal values: {tied}" if tied else ""),
        remedy=f"raise --{split}, or let fewer rows belong together: {fewer}--threshold higher, "
        "other --columns, --set group_prompts=false",
    )


def _check(
    run: Run,
    state: State,
    params: SplitParams,
    noted: Noted,
    placed: Placed,
    parts: list[Task],
    held: int,
    key: str,
) -> tuple[Checked, list[str]]:
    """Look for what lies across the borders; return the names of the files of what was found."""
    key = state.stage_key("check", key, placed.held)
    torn = run.execute(MapStage("check-edges", key, partial(check_edges, placed), tuple(parts)))
    keys = _check_keys(run, state, noted, placed, key)
    edges = sum(r.facts["torn"] for r in torn)
    tasks = state.plan.tasks
    if not params.check_rows:
        return Checked(0, 0, 0, False, 0, edges, keys), []
    share = min(1.0, params.check_rows / max(1, held))
    cut = 2**64 - 1 if share == 1 else int(share * 2**64)
    assert state.copies is not None
    how = Check(
        decide_params(params.copies, state.compared), state.attributes, state.copies, placed, cut
    )
    drawn = run.execute(MapStage("draw", key, partial(draw_held, how), tasks))
    weights = [sum(r.facts["text_bytes"]) for r in state.receipts]
    compared = spread_evenly(tasks, weights, params.check_bytes)
    names = tuple(r.files[0].name for r in drawn if r.rows_out)
    if not names:
        return Checked(0, sum(r.rows_in for r in drawn), 0, True, 0, edges, keys), []
    found = run.execute(MapStage("check", key, partial(check_held, how, names), compared))
    more = [r.files[0].name for r in found if r.rows_out]
    checked = Checked(
        sum(r.rows_out for r in drawn),
        sum(r.rows_in for r in drawn),
        sum(r.rows_in for r in found),
        len(compared) == len(tasks),
        _distinct(run, more),
        edges,
        keys,
    )
    return checked, more


def _distinct(run: Run, names: list[str]) -> int:
    """Count pairs; one of two held-out splits is found from both sides."""
    tables = [read_table(run.store, name).select(["left", "right"]) for name in names]
    if not tables:
        return 0
    return len(pa.concat_tables(tables).group_by(["left", "right"]).aggregate([]))


def _check_keys(run: Run, state: State, noted: Noted, placed: Placed, key: str) -> tuple[int, ...]:
    if not noted.kinds:
        return ()
    partitions = partitions_of(state.num_rows * len(noted.kinds), KEYS_PER_PARTITION)
    stage = ExchangeStage(
        "check-keys",
        key,
        partial(emit_key_splits, state.attributes, noted, placed, partitions),
        partial(reduce_key_splits, len(noted.kinds)),
        state.plan.tasks,
        partitions,
    )
    receipts = run.execute(stage)
    return tuple(sum(column) for column in zip(*(r.facts["torn"] for r in receipts), strict=True))
