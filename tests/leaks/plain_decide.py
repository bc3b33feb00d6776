"""The decision rules in plain Python, with fractions; and random matches near the thresholds."""

from __future__ import annotations

import random
from fractions import Fraction as F
from typing import Any

import numpy as np

from thresher.leaks.firing import Around

KINDS = ("generic", "mcq", "math", "code", "retrieval")
FIELDS = (
    "question", "answer", "option", "question_option", "passage", "solution", "tests", "turn",
)  # fmt: skip
AROUND = Around._fields
ITEMS = ("kind", "field", "bench", "uid")
FLAGS = ("exact", "asked", "answer_found", "has_answer")
UNIT = 1 << 20
Row = dict[str, Any]
Judged = tuple[int, str, str]  # verdict, mode, kind

PLAIN: Row = {
    "kind": "generic", "field": "question", "bench": 0, "uid": 0, "row": 0, "segment": 0,
    "segment_tokens": 100, "asked": True, "answer_found": False, "options_found": 0,
    "has_answer": True, "L": 40, "matched5": 0, "matched8": 0, "grams8": 0, "longest": 0, "lcs": 0,
    "widf_num": 0, "widf_den": 100 * UNIT, "num_count": 0, "num_equal": 0, "num_extra": 0,
    "first": 0, "last": 0, "exact": False, "templated8": 0, "covered_10": 0, "covered_11": 0,
    "covered_13": 0, "grams_5": 0, "grams_7": 0, "own_len": 40, "own_den": 1, "own_num": 1,
    "num_changed": 0,
}  # fmt: skip


def match(**changes: Any) -> Row:
    """Return a match without anything in common but what is given."""
    assert set(changes) <= set(PLAIN), set(changes) - set(PLAIN)
    return PLAIN | changes


def columns(rows: list[Row]) -> tuple[dict[str, Any], dict[str, Any], Around]:
    """Return evidence, items and surroundings as arrays."""

    def column(name: str) -> Any:
        values = [row[name] for row in rows]
        if name in ("kind", "field"):
            known = KINDS if name == "kind" else FIELDS
            return np.array([known.index(value) for value in values], np.int8)
        return np.array(values, bool if name in FLAGS else np.int64)

    evidence = {n: column(n) for n in PLAIN if n not in AROUND and n not in ITEMS}
    items = {name: column(name) for name in ITEMS}
    return evidence, items, Around(*(column(name) for name in AROUND))


def random_matches(seed: int, count: int) -> list[Row]:
    """Return matches of few items in few segments, most figures on or beside a threshold."""
    rng = random.Random(seed)
    shares = [F(n, 20) for n in range(21)] + [F(2, 3), F(3, 4), F(1, 3), F(11, 15)]
    rows: list[Row] = []
    seen = set()
    while len(rows) < count:
        segment, uid = rng.randrange(count // 16 + 1), rng.randrange(2)
        bench = rng.randrange(2)
        kind = KINDS[(segment + bench) % 5]
        field = rng.choice(FIELDS)
        if field in ("question", "passage") and (segment, bench, uid, field) in seen:
            continue
        seen.add((segment, bench, uid, field))
        length = rng.choice([*range(1, 52), 8, 12, 15, 20, 30, 75, 400])

        def some(whole: int, length: int = length) -> int:
            if rng.random() < 0.7:  # else some rule nearly always fires
                return 0
            near = rng.choice([*shares, guard(length), guard(length, 12, 30, F(7, 10))]) * whole
            return min(whole, max(0, int(near) + rng.choice((0, 0, 0, 1, -1))))

        weight = length * rng.randrange(1, 8) * UNIT + rng.randrange(3)
        numbers = rng.randrange(7)
        first = rng.randrange(300)
        own = rng.choice((0, weight, weight // 3)) if rng.random() < 0.3 else 0
        rows.append(
            match(
                kind=kind,
                field=field,
                bench=bench,
                uid=uid,
                row=segment // 2,
                segment=segment,
                segment_tokens=rng.choice([length, length + 6, length + 7, length // 2, 900]),
                asked=rng.random() < 0.7,
                answer_found=rng.random() < 0.15,
                options_found=rng.choice((0, 0, 1, 2, 3)),
                has_answer=rng.random() < 0.7,
                L=length,
                matched5=some(length),
                matched8=some(length),
                grams8=some(max(length - 7, 0)),
                longest=some(length),
                lcs=some(length),
                widf_num=some(weight),
                widf_den=weight,
                num_count=numbers,
                num_equal=some(numbers),
                num_extra=rng.randrange(5),
                first=first,
                last=first + rng.randrange(40),
                exact=rng.random() < 0.2,
                templated8=some(length),
                covered_10=some(length) if rng.random() < 0.3 else 0,
                covered_11=some(length),
                covered_13=some(length) if rng.random() < 0.2 else 0,
                grams_5=some(max(length - 4, 0)),
                grams_7=some(max(length - 6, 0)),
                own_len=rng.randrange(length + 1) if own else length,
                own_den=own if own else rng.randrange(2),
                own_num=(own - some(own)) if own else rng.randrange(2),
                num_changed=rng.choice((0, 0, 0, 1, 2)),
            )
        )
    return rows


def guard(length: int, short: int = 8, long: int = 20, low: F = F(1, 2)) -> F:
    """Return the share required of an item of a length."""
    if length <= short:
        return F(1)
    return low if length >= long else 1 - (1 - low) * F(length - short, long - short)


def _widf(row: Row) -> F:
    return F(row["widf_num"], row["widf_den"]) if row["widf_den"] else F(-1)


def ours(rows: list[Row], name: str) -> list[Judged]:
    """Judge matches by a preset of ours."""
    judged = [_alone(row, name) for row in rows]
    verdicts = [verdict for verdict, _ in judged]
    modes = [mode for _, mode in judged]
    unasked = [False] * len(rows)

    together: dict[tuple[Any, ...], list[int]] = {}
    for i, row in enumerate(rows):
        for place in ("segment", "row"):
            together.setdefault((place, row[place], row["bench"], row["uid"]), []).append(i)

    def same(place: str, row: Row) -> list[int]:
        return together[place, row[place], row["bench"], row["uid"]]

    for i, row in enumerate(rows):
        field = row["field"]
        if field in ("option", "passage") or _retold(row):
            verdicts[i] = min(verdicts[i], 1)
        if row["kind"] == "mcq" and field in ("question", "question_option"):
            group = [rows[j] for j in same("segment", row)]
            questions = [o for o in group if o["field"] == "question"]
            near = [
                o for o in group for q in questions
                if o["field"] == "option" and o["exact"]
                and o["last"] >= q["first"] - 100 and o["first"] <= q["last"] + 100
            ]  # fmt: skip
            bare = max(len(near), row["options_found"]) < 2 and not row["answer_found"]
            if field == "question":
                capped = row["L"] < 20 and bare
            else:
                unasked[i] = not row["exact"] and not any(
                    q["exact"] or _widf(q) >= F(3, 5) for q in questions
                )
                long = any(q["L"] >= 20 for q in questions)
                capped = unasked[i] or (not row["exact"] and not long and bare)
            if capped:
                verdicts[i] = min(verdicts[i], 1)
        if field == "option" and row["exact"]:
            listed = [j for j in same("segment", row) if rows[j]["field"] == "option"]
            if sum(rows[j]["exact"] for j in listed) >= 2:
                if verdicts[i] == 0:
                    modes[i] = "option_list"
                verdicts[i] = 1
    settled = list(verdicts)

    def asked(row: Row, own: bool) -> bool:
        return any(
            rows[j]["field"] in ("question", "question_option", "turn")
            and settled[j] > 0
            and not (own and unasked[j])
            for j in same("row", row)
        )

    for i, row in enumerate(rows):
        trivial = row["kind"] == "code" and row["field"] == "solution" and row["L"] < 6
        if trivial and not asked(row, False):
            verdicts[i] = 0
    return [
        _named(row, verdict, mode, unasked[i], asked(row, True))
        for i, (row, verdict, mode) in enumerate(zip(rows, verdicts, modes, strict=True))
    ]


def _retold(row: Row) -> bool:
    """Tell whether a word problem has mostly other numbers."""
    if row["exact"] or row["kind"] not in ("math", "mcq"):
        return False
    worked = row["kind"] == "math" and row["field"] in ("answer", "solution", "tests")
    few = row["num_count"] >= 2 and F(row["num_equal"], row["num_count"]) < F(1, 2)
    return row["num_changed"] >= 1 or (worked and few)


def _has_own(row: Row, share: F, at: tuple[int, int] | None = None) -> bool:
    """Tell whether enough of what no other item has is there."""
    if row["own_den"] == 0:
        return max(row["matched5"], row["matched8"]) >= F(9, 10) * row["L"]
    needed = guard(row["own_len"], *at, share) if at else share
    return F(row["own_num"], row["own_den"]) >= needed


def _with_size(row: Row, share: F, step: F) -> F:
    """Return the share of rare words that a text of its size needs."""
    wide = 2 * (row["L"] + 3 * row["L"] // 5 + 8)
    doublings = max(row["segment_tokens"] // wide, 1).bit_length() - 1
    return min(F(1), share + step * doublings)


def _named(row: Row, verdict: int, mode: str, unasked: bool, asked: bool) -> Judged:
    if verdict == 0:
        return 0, "none", "none"
    if row["field"] == "option" or unasked:
        return verdict, mode, "options_only"
    if row["field"] == "passage":
        return verdict, mode, "passage_only"
    if row["field"] in ("answer", "solution", "tests") and not asked:
        return verdict, mode, "answer_only"
    if row["exact"]:
        return verdict, mode, "exact"
    if _retold(row):
        return verdict, mode, "templated"
    template = row["L"] >= 8 and F(row["templated8"], row["L"]) >= guard(row["L"])
    if mode == "templated" or (mode in ("fuzzy_idf", "number_match") and template):
        return verdict, mode, "templated"
    return verdict, mode, "paraphrase" if mode in ("fuzzy_idf", "number_match") else "near_verbatim"


def _alone(row: Row, name: str) -> tuple[int, str]:
    """Return the verdict and mode of one match by its figures."""
    words = {"default": F(7, 10), "strict": F(3, 4), "audit": F(3, 5)}[name]
    less_words = F(1, 2) if name == "audit" else F(3, 5)
    for_numbers = F(3, 10) if name == "audit" else F(1, 2)
    less_numbers = F(3, 10) if name == "audit" else F(9, 20)
    audit = name == "audit"
    length, rare = row["L"], _widf(row)
    cover5, cover8 = F(row["matched5"], length), F(row["matched8"], length)
    short_text = row["segment_tokens"] <= length + 6 or row["answer_found"]
    whole_text = row["segment_tokens"] == length and row["answer_found"]
    speaks = row["field"] in ("question", "turn", "solution", "tests")
    alone = row["asked"] and row["segment_tokens"] <= length + 6
    speaks |= row["field"] == "question_option" and alone
    contained = row["exact"] and (
        length >= 8 or (speaks and ((length >= 3 and short_text) or whole_text))
    )
    enough = row["num_count"] >= (1 if row["kind"] == "math" else 3) and length >= 15
    found = F(row["num_equal"], row["num_count"]) if row["num_count"] else F(0)
    extra = row["num_extra"] <= max(F(1), F(row["num_count"], 3))
    reworded = {
        "fuzzy_idf": length >= 12
        and rare >= guard(length, 12, 30, words)
        and rare >= _with_size(row, words, F(1, 50)),
        "number_match": enough and found == 1 and extra and rare >= for_numbers,
    }
    if not audit:
        reworded["number_match"] &= (
            rare >= guard(length, 15, 30, for_numbers)
            and rare >= _with_size(row, for_numbers, F(1, 25))
            and F(row["lcs"], length) >= F(7, 20)
        )
    loose = row["kind"] == "code" or (row["kind"], row["field"]) == ("generic", "answer")
    asks = row["kind"] == "math" and row["field"] == "question" and row["asked"]
    hits = {
        "exact": contained,
        "ngram_ratio": length >= 8 and cover8 >= guard(length),
        "short_ngram_ratio": name != "strict"
        and length >= 8
        and cover5 >= guard(length, 12, 30, F(3, 5)),
        "longest_span": row["longest"] >= 13 and row["longest"] >= F(length, 2),
        "fuzzy_idf": reworded["fuzzy_idf"] and not loose,
        "number_match": reworded["number_match"] and asks,
    }
    own = {
        "ngram_ratio": _has_own(row, F(1, 2)),
        "short_ngram_ratio": _has_own(row, F(3, 5)),
        "longest_span": _has_own(row, F(1, 2)),
        "fuzzy_idf": _has_own(row, words, (12, 30)),
        "number_match": _has_own(row, for_numbers),
    }
    lowered = {mode for mode, is_own in own.items() if hits[mode] and not is_own and not audit}
    hits = {mode: hit and mode not in lowered for mode, hit in hits.items()}
    weak = {
        "ngram_ratio": length >= 8 and cover8 >= F(1, 4),
        "fuzzy_idf": (length >= 12 and rare >= less_words) or (loose and reworded["fuzzy_idf"]),
        "number_match": (enough and found >= F(3, 4) and rare >= less_numbers)
        or (not asks and reworded["number_match"]),
        "templated": length >= 8 and F(row["templated8"], length) >= guard(length),
    }
    if name == "strict":
        lowered.discard("short_ngram_ratio")
    weak = {mode: mode in lowered or weak.get(mode, False) for mode in (*hits, *weak)}
    for verdict, modes in ((2, hits), (1, weak)):
        for mode, fired in modes.items():
            if fired:
                return verdict, mode
    return 0, "none"


def published(row: Row, name: str) -> int:
    """Return the verdict of a published rule, as its authors state it."""
    length, tokens, field = row["L"], row["segment_tokens"], row["field"]
    if name == "gpt3":
        return 2 * bool(row["covered_13"] > 0)
    if name == "tulu3":
        scanned = field in ("question", "turn") and row["asked"]
        return 2 * bool(scanned and F(row["matched8"], length) > F(1, 2))
    if name == "openr1":
        return 2 * bool(field in ("question", "turn") and row["asked"] and row["matched8"] > 0)
    if name == "deepseek":
        scanned = field in ("question", "answer", "solution", "turn")
        return 2 * bool(scanned and (row["covered_10"] > 0 or (row["exact"] and length >= 3)))
    if name == "qwen25":
        scanned = field in ("question", "answer", "solution", "turn")
        enough = bool(row["lcs"] >= 13 and row["lcs"] >= F(3, 5) * min(length, tokens))
        return 2 * bool(scanned and min(length, tokens) > 0 and enough)
    if name == "phi4":
        if row["covered_13"] > 0:
            return 2
        whole = min(length - 6, tokens - 6)
        share = F(row["grams_7"], whole) if whole > 0 else F(0)
        return 2 if share >= F(1, 2) else int(share >= F(1, 4))
    if name == "llama2":
        if field not in ("question", "question_option", "turn"):
            return 0
        covered = max(row["covered_11"], row["longest"] if row["longest"] > 10 else 0)
        share = F(covered, length)
        return 2 if share >= F(4, 5) else int(share >= F(1, 5))
    if name == "decon":
        if field not in ("question", "turn") or length < 20:
            return 0
        score = F(row["grams_5"], length - 4)
        if row["has_answer"]:
            score = F(3, 4) * score + F(1, 4) * row["answer_found"]
        return 2 * (score >= guard(length, 20, 50, F(4, 5)))
    assert name == "paloma", name
    return 2 * bool(row["kind"] != "code" and row["exact"] and length >= 13)
