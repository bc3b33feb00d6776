"""What `mix` says about itself: report.json, report.html, the card, the manifest, the summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from thresher.errors import InternalError
from thresher.mixing.targets import Supply
from thresher.params import Params
from thresher.planning import Plan
from thresher.report import Report
from thresher.report.mixture import Mixture as MixtureFacts
from thresher.report.mixture import label_of
from thresher.report.mixture_page import repeats_of
from thresher.run import Run
from thresher.signals.tokens import Counter as TokenCounter
from thresher.stage import Receipt
from thresher.steps.mix_drawing import REASONS
from thresher_jobs import job_report
from thresher_jobs.card import dataset_card
from thresher_jobs.job_report import Balance, balance, frame, manifest_frame
from thresher_jobs.mix_decide import Mixture
from thresher_jobs.mix_params import MixParams
from thresher_jobs.summary import print_end

_TITLES = (
    *("available", "weight", "cap", "target", "asked", "every row", "short"),
    *("written", "reached"),
)


@dataclass(frozen=True)
class Mixed:
    """A finished mixture.

    Args:
        params: Its parameters.
        plan: What was read.
        read: Receipts of the first pass.
        written: Receipts of the last.
        mixture: What was decided.
        names: What the sources are called.
        counter: What counts tokens.
    """

    params: MixParams
    plan: Plan
    read: Sequence[Receipt]
    written: list[Receipt]
    mixture: Mixture
    names: Sequence[str]
    counter: TokenCounter


def publish(run: Run, mixed: Mixed, notes: Sequence[str], begin: float) -> dict[str, Any]:
    """Write report, page, card and manifest, in that order; return the report.

    Raises:
        InternalError: What was written is not what was decided.
    """
    check_given(mixed.mixture, mixed.written)
    counts = balance(mixed.plan, mixed.written, [r.facts["rows"] for r in mixed.read])
    for source, name in zip(counts.sources, mixed.names, strict=True):
        source["name"] = name
    facts = mixture_facts(
        mixed.params, mixed.params.seed, mixed.mixture, mixed.names, mixed.counter
    )
    value = frame(
        run,
        "mix",
        mixed.params,
        mixed.plan,
        counts,
        mixed.written,
        removed_by=removed_by(mixed.written),
        facts={"mixture": facts},
        notes=[*notes, *short_notes(facts)],
    )

    def manifest(others: list[list[Any]]) -> dict[str, Any]:
        return _manifest(mixed, counts, facts, others)

    return job_report.publish(run, value, begin, mixture_card, [], manifest)


def check_given(mixture: Mixture, written: Sequence[Receipt]) -> None:
    """Compare what was written with what was decided.

    Raises:
        InternalError: They differ.
    """
    given = [Supply(0, 0)] * len(mixture.given)
    for receipt in written:
        for leaf, rows, tokens in receipt.facts["given"]:
            given[leaf] = given[leaf].plus(Supply(rows, tokens))
    for number, (wanted, found) in enumerate(zip(mixture.given, given, strict=True)):
        if wanted != found:
            raise InternalError(f"leaf {number}: {found} written, {wanted} decided")


def removed_by(written: Sequence[Receipt]) -> dict[str, int]:
    """Return the removed rows by reason."""
    total: Counter[str] = Counter()
    for receipt in written:
        total += Counter(receipt.facts["removed"])
    return {reason: total[reason] for reason in REASONS if total[reason]}


def mixture_facts(
    options: Any, seed: int, mixture: Mixture, names: Sequence[str], counter: TokenCounter
) -> dict[str, Any]:
    """Return what the report says of a mixture alone.

    Args:
        options: How it was mixed.
        seed: Of the order of drawing.
        mixture: What was decided.
        names: What the sources are called.
        counter: What counts tokens.
    """
    targets = mixture.targets
    weights = {id(p): w for p, w in zip(mixture.parts, targets.weights, strict=True)}
    leaves, asked = [], set()
    for number, (target, given) in enumerate(zip(targets.leaves, mixture.given, strict=True)):
        part, there = target.part, target.leaf.supply
        weight = weights[id(part)]
        bound = mixture.draws.bounds.get(number)
        leaves.append(
            {
                "source": None if part.source is None else names[part.source],
                "category": target.leaf.category,
                "weight": None if weight is None else float(weight),
                "rows_in": there.rows,
                "tokens_in": there.tokens,
                "cap": part.cap,
                "max_repeats": part.max_repeats,
                "target": target.wanted,
                "planned": target.given,
                "rounds": target.full,
                "drawn": target.rest,
                "bound": None if bound is None else "".join(f"{word:016x}" for word in bound),
                "rows": given.rows,
                "tokens": given.tokens,
                "distinct": there.rows if target.full else given.rows,
            }
        )
        sources = range(len(names)) if part.source is None else [part.source]
        asked |= {(source, target.leaf.category) for source in sources}
    whole = {source for source, category in asked if category is None}
    left_out = [
        {"source": names[s], "category": c, "rows": there.rows, "tokens": there.tokens}
        for (s, c), there in sorted(mixture.found.items(), key=lambda item: str(item[0]))
        if s not in whole and (c is None or (s, c) not in asked)
    ]
    return {
        "by": options.by,
        "total": targets.total,
        "stated_total": options.total is not None,
        "unfilled": targets.unfilled,
        "seed": seed,
        "temperature": options.temperature,
        "counter": counter.name,
        "exact": counter.exact,
        "leaves": leaves,
        "left_out": left_out,
    }


def short_notes(facts: Mapping[str, Any]) -> list[str]:
    """Say who gives less than was asked of it, and which proportions are not those asked for."""
    found = MixtureFacts.model_validate(facts)
    notes = [
        f"{label_of(leaf)}: {leaf.short:,} {found.by} fewer than asked for"
        for leaf in found.leaves
        if leaf.short
    ]
    if found.unfilled:
        notes.append(f"the caps leave {found.unfilled:,} of {found.total:,} {found.by} unfilled")
    return [*notes, *([found.missed] if found.missed else [])]


def _manifest(
    mixed: Mixed, counts: Balance, facts: Mapping[str, Any], others: list[list[Any]]
) -> dict[str, Any]:
    """Return the manifest: what went in, how it was mixed, every file with its hash."""
    prints: dict[int, list[str]] = {}
    for task, read in zip(mixed.plan.tasks, mixed.read, strict=True):
        for split, text in zip(task.payload.splits, read.facts["fingerprints"], strict=True):
            prints.setdefault(split.file, []).append(text)
    files = mixed.plan.inputs.files
    known = {files[f].name: (files[f].bytes, prints[f]) for f in prints}
    return {
        **manifest_frame("mix", _without_paths(mixed.params), mixed.plan),
        "mixture": dict(facts),
        "source_names": list(mixed.names),
        "tokenizer": mixed.counter.digest,
        "inputs": [
            {
                **file,
                "bytes": known[file["name"]][0],
                "text_fingerprints": known[file["name"]][1],
            }
            for file in counts.files
        ],
        "files": [
            *([f.name, f.bytes, f.sha256] for r in mixed.written for f in r.files),
            *others,
        ],
    }


def _without_paths(params: MixParams) -> Params:
    """Return the parameters without where things lie, which another machine would change."""
    sources = tuple(
        source.model_copy(update={"path": source.path.rstrip("/").rsplit("/", 1)[-1]})
        for source in params.sources
    )
    return params.model_copy(update={"sources": sources, "tokenizer": None})


def result_lines(facts: Mapping[str, Any]) -> list[str]:
    """Return the plan and what was reached, as a table."""
    mixture = MixtureFacts.model_validate(facts)
    given = [mixture.amounts(leaf)[1] for leaf in mixture.leaves]
    total = sum(given)
    rows = [
        [
            label_of(leaf),
            f"{mixture.amounts(leaf)[0]:,}",
            "fixed" if leaf.weight is None else f"{100 * leaf.weight:.1f} %",
            "" if leaf.cap is None else f"{leaf.cap:,}",
            f"{leaf.target:,}",
            f"{100 * asked:.2f} %",
            repeats_of(leaf),
            f"{leaf.short:,}" if leaf.short else "",
            f"{amount:,}",
            f"{100 * amount / total:.2f} %" if total else "",
        ]
        for leaf, amount, asked in zip(mixture.leaves, given, mixture.asked, strict=True)
    ]
    return in_columns([[parts_named(mixture), *_TITLES], *rows])


def parts_named(mixture: MixtureFacts) -> str:
    """Return the title of the column that names what a mixture is made of."""
    if any(leaf.category is None for leaf in mixture.leaves):
        return "source"
    pooled = all(leaf.source is None for leaf in mixture.leaves)
    return "category" if pooled else "source / category"


def in_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines of a table; columns that hold nothing but a title are left out."""
    columns = [c for c in zip(*rows, strict=True) if len(rows) == 1 or any(c[1:])]
    widths = [max(map(len, column)) for column in columns]
    return [
        "  "
        + "  ".join(
            column[n].rjust(width) if place else column[n].ljust(width)
            for place, (column, width) in enumerate(zip(columns, widths, strict=True))
        ).rstrip()
        for n in range(len(rows))
    ]


def mixture_card(report: Report) -> str:
    """Return the dataset card, with what each source gives."""
    mixture = report.mixture
    assert mixture is not None
    total = sum(mixture.amounts(leaf)[1] for leaf in mixture.leaves) or 1
    counted = mixture.counter if mixture.exact else "estimated"
    lines = [
        f"\n## Mixture\n\nBy {mixture.by}, seed {mixture.seed}; tokens {counted}.\n\n",
        f"| {parts_named(mixture)} "
        "| weight | share | rows | different rows | tokens | every row |\n",
        "|---|---:|---:|---:|---:|---:|---|\n",
    ]
    for leaf in mixture.leaves:
        weight = "fixed" if leaf.weight is None else f"{100 * leaf.weight:.1f} %"
        share = 100 * mixture.amounts(leaf)[1] / total
        lines.append(
            f"| {label_of(leaf).replace('|', ' ')} | {weight} | {share:.2f} % | {leaf.rows:,} "
            f"| {leaf.distinct:,} | {leaf.tokens:,} | {repeats_of(leaf)} |\n"
        )
    lines.append(
        "\nA row's `_score` in `removed/` is its place, from 0 to 1, in the order of drawing; "
        "`draws/` holds what decided, one line for every input row.\n"
    )
    return dataset_card(report) + "".join(lines)


def print_summary(report: dict[str, Any], out: str) -> None:
    """Print the plan, what was reached and where to look."""
    facts = report["plan"]["mixture"]
    counted = f"counted by {facts['counter']}" if facts["exact"] else "estimated"
    print(f"mixed by     {facts['by']}" + (f" ({counted})" if facts["by"] == "tokens" else ""))
    for line in result_lines(facts):
        print(line)
    for key in ("in", "added", "kept", "removed", "quarantined"):
        print(f"{'rows ' + key if key == 'in' else key:<12} {report['rows_' + key]:>12,}")
    tokens = sum(leaf["tokens"] for leaf in facts["leaves"])
    print(f"tokens       {tokens:>12,}  ({counted})")
    print_end(report, out)
