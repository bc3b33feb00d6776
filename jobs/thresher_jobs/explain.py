"""`thresher explain`: what became of one row and why; after `dedup`, with the pair side by side."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from thresher.errors import ConfigError
from thresher.result import Line, Result, open_result
from thresher.text import reference
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.dedup_texts import ResultTexts
from thresher_jobs.explain_conversion import explain_conversion
from thresher_jobs.explain_leaks import explain_leaks
from thresher_jobs.explain_recipe import explain_recipe
from thresher_jobs.explain_rules import explain_rules
from thresher_jobs.mix_explain import explain_mixture
from thresher_jobs.split_explain import explain_split
from thresher_jobs.terminal import cut, one_line, visible

CONTEXT_WORDS = 12


def explain(out: str, row_id: str) -> Iterator[str]:
    """Yield the lines of the explanation.

    Raises:
        ConfigError: There is no such row.
    """
    result = open_result(out)
    line = next(result.find({row_id}), None)
    if line is None:
        raise ConfigError(f"no row {row_id!r} in {out}", remedy=_near_ids(result))
    if result.manifest["job"] == "convert":
        yield from explain_conversion(result, line)
    elif result.manifest["job"] in ("score", "select"):
        yield from explain_rules(result, line)
    elif result.manifest["job"] == "decontaminate":
        yield from explain_leaks(result, line)
    elif result.manifest["job"] == "run":
        yield from explain_recipe(result, line)
    elif result.manifest["job"] == "mix":
        yield from explain_mixture(result, line)
    elif result.manifest["job"] == "split":
        yield from explain_split(result, line)
    else:
        yield from _explain_dedup(result, line)


def _explain_dedup(result: Result, line: Line) -> Iterator[str]:
    params = DedupParams.model_validate(result.manifest["params"])
    yield one_line(f"row       {line.row_id}  (row {line.row} of {line.file})")
    yield f"verdict   {line.verdict}" + (f", {line.reason}" if line.reason else "")
    if line.verdict == "quarantined":
        yield f"error     {_quarantine_error(result, line)}"
        yield "see       quarantine/ for its bytes"
    elif line.verdict == "removed":
        yield from _removed(result, line, params)
    else:
        yield from _kept(result, line, params)


def _removed(result: Result, line: Line, params: DedupParams) -> Iterator[str]:
    assert line.matched_id is not None
    partner = next(result.find({line.matched_id}))
    texts = ResultTexts(result, params)
    text, kept = texts.of_line(line), texts.of_line(partner)
    yield one_line(f"kept      {partner.row_id}  (row {partner.row} of {partner.file})")
    if line.reason == "exact_copy":
        yield "because   the compared bytes are equal"
    elif line.reason == "same_words":
        yield "because   the words are the same; only case, punctuation or spacing differ"
    else:
        yield from _similarity(text, kept, params)
    yield ""
    yield "--- removed"
    yield cut(text)
    yield "+++ kept instead"
    yield cut(kept)
    if line.reason == "near_copy":
        yield "differences (removed words in [-...-], kept words in {+...+})"
        yield from _differences(text, kept)


def _similarity(text: str, kept: str, params: DedupParams) -> Iterator[str]:
    a = reference.shingle_hashes(text, params.ngram)
    b = reference.shingle_hashes(kept, params.ngram)
    shared, union = len(a & b), len(a | b)
    score = shared / union if union else 1.0
    yield (
        f"because   they share {shared} of {union} {params.ngram}-word shingles: "
        f"similarity {score:.6f}, threshold {params.threshold}"
    )
    yield "from      recomputed just now from the rows' text"


def _kept(result: Result, line: Line, params: DedupParams) -> Iterator[str]:
    text = ResultTexts(result, params).of_line(line)
    followers = _followers(result, line.row_id)
    yield f"copies    {len(followers)} rows were removed in its favour"
    for row_id, reason, score in followers[:10]:
        yield one_line(f"          {row_id}  {reason}  {score:.4f}")
    yield ""
    yield cut(text)


def _followers(result: Result, row_id: str) -> list[tuple[str, str, float]]:
    found: list[tuple[str, str, float]] = []
    for part in range(result.num_parts):
        table = result.read("ledger", part, ["_row_id", "reason", "matched_id", "score"])
        mask = [value == row_id for value in table.column("matched_id").to_pylist()]
        if any(mask):
            found += [
                (r["_row_id"], r["reason"], r["score"]) for r in table.filter(mask).to_pylist()
            ]
    return found


def _quarantine_error(result: Result, line: Line) -> str:
    table = result.read("quarantine", line.part, ["_row_id", "error"])
    errors = dict(zip(*(column.to_pylist() for column in table.columns), strict=True))
    return str(errors.get(line.row_id, "unknown"))


def _differences(text: str, kept: str) -> Iterator[str]:
    left, right = text.split(), kept.split()
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    for group in matcher.get_grouped_opcodes(CONTEXT_WORDS):
        words: list[str] = []
        for kind, a, a_end, b, b_end in group:
            if kind == "equal":
                words += left[a:a_end]
                continue
            if a_end > a:
                words.append("[-" + " ".join(left[a:a_end]) + "-]")
            if b_end > b:
                words.append("{+" + " ".join(right[b:b_end]) + "+}")
        yield visible("  ... " + " ".join(words) + " ...")


def _near_ids(result: Result) -> str:
    some = result.read("ledger", 0, ["_row_id"]).column("_row_id").slice(0, 3).to_pylist()
    return "ids look like " + ", ".join(some) if some else "the result has no rows"
