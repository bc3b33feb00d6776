"""What `thresher verify` checks again of the rows that one step of a recipe removed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.errors import ConfigError, InputError
from thresher.formats.catalogue import FORMATS
from thresher.mixing.content import content_hashes
from thresher.report import Report
from thresher.result import Line, Result
from thresher.signals.profile import Profile
from thresher.steps.leak_writing import MATCH_FOLDER
from thresher.steps.outputs import PROOF
from thresher_jobs.decontaminate_params import DecontaminateParams
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.dedup_texts import ResultTexts
from thresher_jobs.profiles import built_in_for, chosen, load_profile
from thresher_jobs.score_params import ScoreParams
from thresher_jobs.split_result import part_rows
from thresher_jobs.verify_copies import Partners, check_part, partners_of
from thresher_jobs.verify_leaks import GRAVE

Column = np.ndarray[Any, Any]


def check_copies(result: Result, name: str, params: DedupParams) -> str:
    """Compare the rows that a step removed with those it kept, once more; return a line.

    Raises:
        InputError: Two rows are not as alike as stated.
    """
    texts = ResultTexts(result, params)
    wanted: set[str] = set()
    for _, table, _ in _removed_by(result, name):
        wanted.update(table.column("_matched_id").to_pylist())
    partners = _partners(result, texts, list(result.find(wanted)))
    lowest, checked = 1.0, 0
    for _, table, files in _removed_by(result, name):
        known = pc.is_in(table.column("_matched_id"), value_set=pa.array([*partners.place]))
        if not pc.all(known).as_py():
            lost = table.filter(pc.invert(known)).column("_row_id")[0].as_py()
            raise InputError(f"{lost}: the row that was kept instead is in no output")
        text = texts.of_rows(table, files)
        lowest = min(lowest, check_part(table, text, partners, params))
        checked += len(table)
    return _line(name, f"{checked:,} copies compared again; lowest similarity {lowest:.6f}")


def _partners(result: Result, texts: ResultTexts, lines: list[Line]) -> Partners:
    """Return the texts of rows in the data, or left out by a later step."""
    if not result.manifest["splits"]:
        return partners_of(texts, [line for line in lines if line.verdict != "quarantined"])
    found = partners_of(texts, [line for line in lines if line.verdict == "removed"])
    wanted = {line.row_id for line in lines if line.verdict == "kept"}
    places, pieces = dict(found.place), [found.text]
    for part in range(result.num_parts):
        for split in part_rows(result, part):
            mine = [n for n, row_id in enumerate(split.ids) if row_id in wanted]
            if mine:
                rows = split.rows.take(pa.array(mine))
                pieces.append(texts.of_rows(rows, [split.files[n] for n in mine]))
                places |= {split.ids[n]: len(places) + k for k, n in enumerate(mine)}
    return Partners(places, pa.concat_arrays([piece.cast(pa.large_string()) for piece in pieces]))


def check_matches(
    result: Result, name: str, params: DecontaminateParams, contents: bool
) -> Iterator[str]:
    """Check that every row that a step removed has the match it names, that no row of the data has
    one, and, where rows are written as they came, that none is equal to a removed one.

    Raises:
        InputError: One is.
    """
    leaks = Report.model_validate(result.report()).searched
    mine = {one.name for one in (leaks.get(name) or leaks[None]).benchmarks}
    named = 0
    for part, table, _ in _removed_by(result, name):
        matches = result.read(MATCH_FOLDER, part)
        matches = matches.filter(
            pc.is_in(matches.column("verdict"), pa.array(GRAVE[params.remove]))
        )
        items = pc.binary_join_element_wise(matches["benchmark"], matches["item_id"], ":")
        pairs = set(zip(matches["_row_id"].to_pylist(), items.to_pylist(), strict=True))
        for row_id, item in zip(
            table.column("_row_id").to_pylist(),
            table.column("_matched_id").to_pylist(),
            strict=True,
        ):
            if (row_id, item) not in pairs:
                raise InputError(
                    f"row {row_id} was removed for {item}, which {MATCH_FOLDER}/ lacks"
                )
            named += 1
    for part in range(result.num_parts):
        matches = result.read(MATCH_FOLDER, part, ["_row_id", "benchmark", "verdict"])
        own = pc.is_in(matches.column("benchmark"), pa.array(sorted(mine)))
        grave = pc.is_in(matches.column("verdict"), pa.array(GRAVE[params.remove]))
        leaking = matches.filter(pc.and_(own, grave)).column("_row_id")
        ledger = result.ledger(part, ["verdict"])
        kept = ledger.filter(pc.equal(ledger.column("verdict"), "kept")).column("_row_id")
        left = pc.is_in(kept, value_set=pc.unique(leaking))
        if pc.any(left).as_py():
            raise InputError(f"row {kept.filter(left)[0].as_py()} is kept, but holds a leaked item")
    equal = ""
    if contents:
        _check_contents(result, name)
        equal = ", and none is equal to a removed one"
    yield _line(name, f"{named:,} removed rows have their match; no kept row has one{equal}")


def _check_contents(result: Result, name: str) -> None:
    gone = [_keys(table.drop_columns(PROOF_NAMES)) for _, table, _ in _removed_by(result, name)]
    if not gone:
        return
    removed = np.unique(np.concatenate(gone))
    for part in range(result.num_parts):
        if result.manifest["splits"]:
            tables = [split.rows for split in part_rows(result, part)]
        else:
            tables = [result.read("data", part)]
        for table in tables:
            if np.isin(_keys(table), removed).any():
                raise InputError(f"part {part}: a row that {name} removed is in the data too")


PROOF_NAMES = [field.name for field in PROOF]


def _keys(table: pa.Table) -> Column:
    """(R,) one value a row that differs for rows that differ."""
    made = [content_hashes(batch) for batch in table.to_batches() if len(batch)]
    hashes = np.concatenate(made) if made else np.zeros((0, 2), np.uint64)
    keys: Column = np.ascontiguousarray(hashes).view([("a", np.uint64), ("b", np.uint64)])[:, 0]
    return keys


def check_reasons(result: Result, name: str, params: ScoreParams, texts: bool) -> str:
    """Check that every row that a step removed names a rule of its profile, and a figure that this
    rule refuses; return a line.

    Raises:
        InputError: One does not.
    """
    try:
        profile = _profile_of(result, params, texts)
    except ConfigError as error:
        return _line(name, f"not checked again: {error.message}")
    checked = 0
    for _, table, _ in _removed_by(result, name):
        reasons = table.column("_reason").to_pylist()
        scores = table.column("_score").to_pylist()
        ids = table.column("_row_id").to_pylist()
        for row_id, reason, score in zip(ids, reasons, scores, strict=True):
            rule = profile.rules.get(reason.partition(" (")[0])
            if rule is None or rule.action != "remove":
                raise InputError(f"row {row_id} was removed by {reason!r}, which is no such rule")
            figure = score if rule.is_ is None or score is None else bool(score)
            if figure is not None and not rule.outside(pa.array([figure]))[0]:
                raise InputError(f"row {row_id}: rule {reason!r} does not refuse {score}")
            checked += 1
    return _line(name, f"{checked:,} rows removed by figures that rules of the profile refuse")


def _profile_of(result: Result, params: ScoreParams, texts: bool) -> Profile:
    """Return the profile in force: of the formats that were found, where none is named."""
    name = params.profile
    if name == "auto":
        formats = {f for stated in result.manifest["inputs"] for f in stated["formats"]}
        kinds = {FORMATS[format].kind for format in formats}
        name = "web" if texts else built_in_for(kinds)
    return chosen(load_profile(name), params)


def _removed_by(result: Result, name: str) -> Iterator[tuple[int, pa.Table, Sequence[str]]]:
    """Yield part, rows and their files of what a step removed; parts without any are left out."""
    for part in range(result.num_parts):
        table = result.read("removed", part)
        mine = pc.equal(table.column("_removed_by"), name)
        if pc.any(mine).as_py():
            ledger = result.read("ledger", part, ["file", "verdict"])
            gone = ledger.filter(pc.equal(ledger.column("verdict"), "removed"))
            yield part, table.filter(mine), gone.filter(mine).column("file").to_pylist()


def _line(name: str, told: str) -> str:
    return f"{name:<11} {told}"
