"""What `split` says about itself: report.json, report.html, the dataset card, the manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from thresher.report import Report
from thresher.run import Run
from thresher.splitting.assignment import HELD, NAMES, Split
from thresher.splitting.chance import torn_classes, torn_pairs
from thresher.stage import Receipt
from thresher.steps.split_noting import Noted
from thresher.steps.split_probe import SplitProbe
from thresher.steps.split_writing import SplitRows
from thresher.steps.verdicts import read_user_ids
from thresher_jobs import job_report
from thresher_jobs.dedup_state import State
from thresher_jobs.job_report import Balance, balance, frame, manifest_frame
from thresher_jobs.split_card import split_card
from thresher_jobs.split_deciding import Decision
from thresher_jobs.split_params import SplitParams

Column = np.ndarray[Any, Any]
MOST_STRATA = 200
ALERT_SHARE = 0.1
ALERT_ROWS = 20


@dataclass(frozen=True)
class Outcome:
    """All that the report is made of."""

    params: SplitParams
    state: State
    probe: SplitProbe
    noted: Noted
    decision: Decision
    where: SplitRows
    written: list[Receipt]
    notes: list[str]


def publish(run: Run, outcome: Outcome, begin: float) -> dict[str, Any]:
    """Write report, page, card and manifest, in that order; return the report."""
    state = outcome.state
    counts = balance(state.plan, outcome.written, [r.facts["rows"] for r in state.receipts])
    found = section(run, outcome)
    value = frame(
        run,
        "split",
        outcome.params,
        state.plan,
        counts,
        outcome.written,
        removed_by={},
        facts={**state.facts, "split": found},
        notes=[*outcome.notes, *found["warnings"]],
    )
    splits = outcome.where.splits

    def card(report: Report) -> str:
        return split_card(report, splits)

    def manifest(others: list[list[Any]]) -> dict[str, Any]:
        return _manifest(outcome, counts, others)

    return job_report.publish(run, value, begin, card, [], manifest)


def section(run: Run, outcome: Outcome) -> dict[str, Any]:
    """Return what the report says about the split."""
    decision, params = outcome.decision, outcome.params
    groups, walked = decision.groups, decision.walked
    sizes = walked.rows.sum(axis=1).tolist()
    in_groups = walked.groups.copy()
    in_groups[Split.TRAIN] = sum(groups.sizes.values()) - int(in_groups[list(HELD)].sum())
    into = np.sum([r.facts["into"] for r in outcome.written], axis=0)
    repeats = np.sum([r.facts["repeats"] for r in outcome.written], axis=0)
    wanted = _wanted(outcome).sum(axis=1)
    wanted[Split.TRAIN] += repeats[Split.TRAIN]
    largest = _largest(run, outcome)
    return {
        "way": "column" if params.by else "time" if params.age_column else "amounts",
        "threshold": params.threshold,
        "compared": _compared(outcome),
        "splits": [
            {
                "name": name,
                "wanted": int(wanted[split]),
                "rows": int(into[0][split]),
                "groups": int(in_groups[split]),
                "text_bytes": int(into[1][split]),
            }
            for split, name in enumerate(NAMES)
        ],
        "stratified_by": params.stratify,
        "strata": _strata(outcome)[:MOST_STRATA],
        "num_strata": len(_strata(outcome)),
        "num_groups": sum(groups.sizes.values()),
        "group_sizes": [{"rows": s, "groups": n} for s, n in sorted(groups.sizes.items())],
        **largest,
        "copies": decision.ties.counts["copies"],
        "similar": decision.ties.counts["similar"] + decision.found,
        "keys": [
            {
                "kind": kind,
                "keys": sum(classes.values()),
                "rows": sum(size * count for size, count in classes.items()),
                "torn": torn,
                "torn_at_random": round(torn_classes(classes, sizes), 1),
            }
            for kind, classes, torn in zip(
                outcome.noted.kinds, decision.ties.classes, decision.checked.keys, strict=True
            )
            if kind in _keyed(outcome)
        ],
        "leaks": _leaks(decision, sizes),
        **_ages(outcome),
        "moved": _moved(outcome),
        "not_repeated": {NAMES[s]: int(repeats[s]) for s in HELD if repeats[s]},
        "warnings": [*_warnings(outcome, largest)],
    }


def _keyed(outcome: Outcome) -> set[str]:
    """Return the kinds of keys that some row has; plain text has no prompts."""
    counted = np.sum(
        [facts["keyed"] for facts in outcome.probe.facts(outcome.state.receipts)], axis=0
    )
    return {kind for kind, rows in zip(outcome.noted.kinds, counted, strict=True) if rows}


def _wanted(outcome: Outcome) -> Column:
    """(3, S) rows wanted, each once; where a column or a time decides, what they say is wanted."""
    if outcome.params.by is None and outcome.params.after is None:
        return outcome.decision.wanted
    if outcome.params.by is not None:
        moved: Column = np.sum([r.facts["moved"] for r in outcome.written], axis=0)
        named: Column = moved.sum(axis=1).reshape(len(Split), 1)
        return named
    wanted = outcome.decision.wanted.copy()
    got = outcome.decision.walked.rows
    wanted[Split.TEST] = got[Split.TEST]
    wanted[Split.TRAIN] = got.sum(axis=0) - wanted[list(HELD)].sum(axis=0)
    return wanted


def _compared(outcome: Outcome) -> str:
    compared = outcome.where.compared
    if compared.on is None:
        return ", ".join(compared.columns)
    return "all text" if compared.on == "all" else f"the {compared.on}"


def _strata(outcome: Outcome) -> list[dict[str, Any]]:
    if outcome.params.stratify is None:
        return []
    wanted, got = _wanted(outcome), outcome.decision.walked.rows
    return [
        {
            "name": name,
            "rows": rows,
            "wanted": wanted[:, s].tolist(),
            "achieved": got[:, s].tolist(),
        }
        for s, (name, rows) in enumerate(
            zip(outcome.noted.strata.names, outcome.decision.groups.rows, strict=True)
        )
        if rows
    ]


def _largest(run: Run, outcome: Outcome) -> dict[str, Any]:
    rows, label = outcome.decision.groups.largest
    if rows < 2:
        return {"largest_group": None, "largest_rows": rows, "largest_split": None}
    ids = np.array([label], np.uint64)
    if outcome.params.id_column:
        name = read_user_ids(run.store, outcome.state.attributes, ids)[0].as_py()
    else:
        name = outcome.state.row_map.row_ids(ids)[0].as_py()
    split, _ = outcome.decision.placed.of_ids(run.store, ids)
    return {"largest_group": name, "largest_rows": rows, "largest_split": NAMES[split[0]]}


def _leaks(decision: Decision, sizes: list[int]) -> dict[str, Any]:
    checked = decision.checked
    pairs = decision.ties.pairs + decision.found
    return {
        "pairs": pairs,
        "whole": decision.ties.whole and not decision.found,
        "torn": checked.edges,
        "torn_at_random": round(torn_pairs(pairs, sizes), 1),
        "checked_rows": checked.rows,
        "held_rows": checked.of,
        "compared_rows": checked.compared,
        "all_compared": checked.whole,
        "rounds": decision.rounds,
        "found": decision.found,
        "left": checked.pairs,
    }


def _ages(outcome: Outcome) -> dict[str, Any]:
    if outcome.params.age_column is None:
        return {"newer_in_train": None, "ageless": None}
    return {
        "newer_in_train": sum(r.facts["newer"] for r in outcome.written),
        "ageless": sum(r.facts["ageless"] for r in outcome.written),
    }


def _moved(outcome: Outcome) -> dict[str, int]:
    """Return the rows that lie elsewhere than their column says, since their group does."""
    moved = np.sum([r.facts["moved"] for r in outcome.written], axis=0)
    return {
        f"{NAMES[named]} to {NAMES[got]}": int(moved[named, got])
        for named in Split
        for got in Split
        if named != got and moved[named, got]
    }


def _warnings(outcome: Outcome, largest: dict[str, Any]) -> Iterator[str]:
    """Yield what the user should know before training on this."""
    params, decision = outcome.params, outcome.decision
    checked = decision.checked
    if checked.edges or checked.pairs or any(checked.keys):
        yield (
            f"LEAK: {checked.edges + checked.pairs:,} pairs and {sum(checked.keys):,} keys lie "
            "across a border; raise check_bytes so that all text is compared"
        )
    wanted, got = _wanted(outcome).sum(axis=1), decision.walked.rows.sum(axis=1)
    for split in HELD:
        name = NAMES[split]
        if params.by is None and _misses(int(wanted[split]), int(got[split]), params.tolerance):
            yield (
                f"{name} has {got[split]:,} of {wanted[split]:,} wanted rows: no group that "
                "belongs together fits what is left"
            )
    missed = [
        stratum["name"]
        for stratum in _strata(outcome)
        for split in HELD
        if _misses(stratum["wanted"][split], stratum["achieved"][split], params.tolerance)
    ]
    if missed:
        some = ", ".join(str(name) for name in dict.fromkeys(missed[:5]))
        yield (
            f"{len(dict.fromkeys(missed))} strata miss their share by more than the tolerance "
            f"{params.tolerance}, since groups lie in several or are too large: {some}"
        )
    rows = sum(decision.groups.rows)
    if largest["largest_rows"] >= max(ALERT_ROWS, ALERT_SHARE * rows):
        yield (
            f"one group holds {largest['largest_rows']:,} of {rows:,} rows and goes to "
            f"{largest['largest_split']}: look at 'thresher explain OUT {largest['largest_group']}'"
            "; a prompt or template that everything shares is no tie (--set group_prompts=false, "
            "another --threshold)"
        )
    repeats = np.sum([r.facts["repeats"] for r in outcome.written], axis=0)
    for split in HELD:
        if repeats[split]:
            yield (
                f"{repeats[split]:,} repeats that the mixture drew are not in {NAMES[split]}: "
                "rows that are held out are written once"
            )
    if ageless := _ages(outcome)["ageless"]:
        yield f"{ageless:,} rows without a time in '{params.age_column}' count as old: look at them"
    for what, count in _moved(outcome).items():
        yield f"{count:,} rows went from {what}, since rows that belong to them are there"


def _misses(wanted: int, got: int, tolerance: float) -> bool:
    return abs(wanted - got) > max(1.0, tolerance * wanted)


def _manifest(outcome: Outcome, counts: Balance, others: list[list[Any]]) -> dict[str, Any]:
    """Return the manifest: what went in, how it was split, every file with its hash."""
    state = outcome.state
    prints: dict[int, list[str]] = {}
    for task, read in zip(state.plan.tasks, state.receipts, strict=True):
        for split, text in zip(task.payload.splits, read.facts["fingerprints"], strict=True):
            prints.setdefault(split.file, []).append(text)
    files = state.plan.inputs.files
    sizes = {files[f].name: (files[f].bytes, prints[f], f) for f in prints}
    formats = outcome.where.compared.formats
    return {
        **manifest_frame("split", outcome.params, state.plan),
        "splits": list(outcome.where.splits),
        "inputs": [
            {
                **file,
                "bytes": sizes[file["name"]][0],
                "text_fingerprints": sizes[file["name"]][1],
                "formats": list(formats.get(sizes[file["name"]][2], ())),
            }
            for file in counts.files
        ],
        "files": [
            *([f.name, f.bytes, f.sha256] for r in outcome.written for f in r.files),
            *others,
        ],
    }
