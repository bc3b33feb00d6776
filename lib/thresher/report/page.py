"""Renders a report as one HTML file that needs nothing else: no script, no network, no fonts.

Texts from the data are hostile input. They reach the page through one environment that escapes
everything and makes invisible characters visible; the content security policy allows the page's own
style sheet, by its hash, and nothing else, so there are no style attributes either. What is shown
is capped, so that the page stays well below 1.5 MB whatever the data holds.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shlex
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import DictLoader, Environment, FileSystemBytecodeCache, StrictUndefined, Template
from markupsafe import Markup

from thresher.report import charts, figures
from thresher.report.composition import composition_context
from thresher.report.diff import Piece, cut_pieces, word_differences
from thresher.report.flow import flow_context
from thresher.report.model import Cluster, Copies, Detected, RemovedPair, Report, Source
from thresher.report.multiples import short
from thresher.report.quality_page import quality_context, shown_value

_MAX_CLUSTERS, _MAX_MEMBERS, _MAX_PAIRS = 20, 8, 20
_MAX_ROWS = 200  # of a table: sources, files, settings, reasons
_MAX_EXAMPLES = 5
_KEPT_CHARS, _MEMBER_CHARS, _PAIR_CHARS, _CELL_CHARS = 1500, 500, 2500, 300

_NOT_READ = Detected(formats=(), confidence=0, reasons=())

# Parts of the plan that are shown apart.
_SECTIONS = (
    "flow", "recipe", "composition", "conversion", "quality", "qualities", "leaks",
    "leaks_by_step", "copies_by_step", "mixture", "split",
)  # fmt: skip
_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'"

# reason -> what the page calls it, and its colour
_REASONS = {
    "exact_copy": ("Exact copies", "exact"),
    "same_words": ("Same words", "same"),
    "near_copy": ("Near copies", "near"),
}


def render(report: Report) -> str:
    """Render the page: a complete HTML document that encodes as UTF-8."""
    template, style = _template()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return template.render(
        style=Markup(style),
        policy=f"{_POLICY}; style-src 'sha256-{digest}'",
        r=report,
        **_headline(report),
        source_bars=[_source_bar(source) for source in report.sources[:_MAX_ROWS]],
        **(_copies(report) | _conversion(report) | _quality(report) | _leaks(report)),
        **_mixture(report),
        **_splits(report),
        **_details(report),
        **flow_context(report.plan.get("flow")),
        **composition_context(report.plan.get("composition")),
    )


@lru_cache(maxsize=1)
def _template() -> tuple[Template, str]:
    folder = files("thresher.report")
    names = (
        "template.html.j2",
        "quality_section.html.j2",
        "leaks_section.html.j2",
        "copies_section.html.j2",
        "flow_section.html.j2",
        "composition_section.html.j2",
        "mixture_section.html.j2",
        "splits_section.html.j2",
    )
    environment = Environment(
        loader=DictLoader({name: (folder / name).read_text("utf-8") for name in names}),
        autoescape=True,
        undefined=StrictUndefined,
        bytecode_cache=_bytecode(),
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.filters |= {
        "count": figures.count,
        "size": figures.size,
        "duration": figures.duration,
        "one_line": figures.one_line,
        "short": short,
        "value": shown_value,
        "cell": lambda text: figures.cut(text, _CELL_CHARS),
    }
    environment.globals |= {"share": figures.share, "rate": figures.rate, "max_rows": _MAX_ROWS}
    style = "\n" + (folder / "style.css").read_text("utf-8")
    return environment.get_template(names[0]), style


def _bytecode() -> FileSystemBytecodeCache | None:
    """Return where compiled templates are kept, beside the package's own bytecode: to compile them
    takes 0.3 s (2026-11-21). A cache is of this code and these templates, and of one Python."""
    folder = Path(__file__).parent / "__pycache__"
    if not os.access(folder, os.W_OK):
        return None
    made_by = hashlib.sha256(Path(__file__).read_bytes() + jinja2.__version__.encode())
    return FileSystemBytecodeCache(str(folder), f"template-{made_by.hexdigest()[:16]}-%s.cache")


def _visible(value: Any) -> Any:
    """Pass every printed expression; markup of our own goes as it is."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return figures.visible(value)
    return value


def _headline(report: Report) -> dict[str, Any]:
    known = [
        (*_REASONS[reason], report.removed_by[reason])
        for reason in _REASONS
        if reason in report.removed_by
    ]
    other = [
        (reason.replace("_", " ").capitalize(), "other", rows)
        for reason, rows in report.removed_by.items()
        if reason not in _REASONS
    ]
    if "flow" in report.plan:  # several reasons of several steps
        other = _by_step(report.removed_by)
    elif "quality" in report.plan:  # rules have a chart of their own
        other = [("Removed by rules", "near", report.rows_removed)]
    elif "leaks" in report.plan:  # reasons are benchmarks, which have a table of their own
        other = [("Removed for test items", "near", sum(rows for _, _, rows in other))]
    parts = [
        ("Kept", "kept", report.rows_kept),
        *known,
        *other[:_MAX_ROWS],
        ("Quarantined", "bad", report.rows_quarantined),
    ]
    return {
        "total_rows": report.rows_in + report.rows_added,
        "segments": charts.stacked(parts),
        "parts": parts,
    }


def _by_step(removed_by: dict[str, int]) -> list[tuple[str, str, int]]:
    """Add up reasons of the form `step: reason`."""
    counts: dict[str, int] = {}
    for reason, rows in removed_by.items():
        step = reason.partition(":")[0]
        counts[step] = counts.get(step, 0) + rows
    colours = ("near", "exact", "other", "same")
    return [
        (f"Removed by {step}", colours[number % len(colours)], rows)
        for number, (step, rows) in enumerate(counts.items())
    ]


def _copies(report: Report) -> dict[str, Any]:
    """What the sections on copies show, one group of them a step, and a row to ask about."""
    found = report.copies
    shown = [_searched(step, copies, len(found)) for step, copies in found.items()]
    removed = [pair.removed_id for one in shown for pair, _, _ in one["pairs"]]
    removed += [
        m.id for copies in found.values() for c in copies.largest_clusters for m in c.members
    ]
    return {"copies": shown, "explain_id": _quoted(removed[0]) if removed else "ROW_ID"}


def _searched(step: str | None, copies: Copies, steps: int) -> dict[str, Any]:
    """What is shown of one search; several share the room for examples."""
    recall = copies.recall
    points = recall.expected_curve if recall else ()
    pairs = sorted(copies.least_similar, key=lambda pair: pair.score)
    return {
        "step": step,
        "found": copies,
        "histogram": charts.histogram(copies.similarity_histogram),
        "near_rows": sum(copies.similarity_histogram.counts),
        "cluster_rows": charts.cluster_rows(copies.cluster_sizes),
        "num_clusters": sum(c.clusters for c in copies.cluster_sizes if c.size > 1),
        "curve": charts.curve(points, recall.threshold, recall.expected_at_threshold)
        if recall
        else None,
        "clusters": [_cluster(c) for c in copies.largest_clusters[: -(-_MAX_CLUSTERS // steps)]],
        "pairs": [(pair, *_sides(pair)) for pair in pairs[: -(-_MAX_PAIRS // steps)]],
    }


def _source_bar(source: Source) -> list[charts.Segment]:
    copies = source.removed_exact + source.removed_same_words + source.removed_near
    return charts.stacked(
        [
            ("Kept", "kept", source.rows_kept),
            ("Exact copies", "exact", source.removed_exact),
            ("Same words", "same", source.removed_same_words),
            ("Near copies", "near", source.removed_near),
            ("Removed", "other", max(source.rows_removed - copies, 0)),
            ("Quarantined", "bad", source.rows_quarantined),
        ]
    )


def _cluster(cluster: Cluster) -> dict[str, Any]:
    return {
        "kept_id": cluster.kept_id,
        "size": cluster.size,
        "text": figures.cut(cluster.text, _KEPT_CHARS),
        "members": [
            (m, m.reason.replace("_", " "), figures.cut(m.text, _MEMBER_CHARS))
            for m in cluster.members[:_MAX_MEMBERS]
        ],
        "more": max(cluster.size - 1 - min(len(cluster.members), _MAX_MEMBERS), 0),
    }


def _sides(pair: RemovedPair) -> tuple[list[Piece], list[Piece]]:
    left, right = word_differences(pair.removed_text, pair.matched_text)
    return cut_pieces(left, _PAIR_CHARS), cut_pieces(right, _PAIR_CHARS)


def _details(report: Report) -> dict[str, Any]:
    return {
        "quarantine": [(q, q.examples[:_MAX_EXAMPLES]) for q in report.quarantine[:_MAX_ROWS]],
        "skipped": [
            (title, intro, entries[:_MAX_ROWS], len(entries))
            for title, intro, entries in (
                ("Unreadable files", "Their rows are in no figure above.", report.unreadable_files),
                ("Ignored files", "Not taken for data.", report.ignored_files),
            )
            if entries
        ],
        "config": _settings(report.config),
        "plan": _settings({k: v for k, v in report.plan.items() if k not in _SECTIONS}),
        "stage_seconds": sum(stage.seconds for stage in report.stages),
    }


def _conversion(report: Report) -> dict[str, Any]:
    """What the section on conversion shows; `conversion` is None for other jobs."""
    found = report.conversion
    if found is None:
        return {"conversion": None}
    given = report.config.get("format") is not None
    refused = next((e.id for q in report.quarantine for e in q.examples), None)
    row = refused or next((name for name, _ in found.examples), None)
    return {
        "conversion": found,
        "written_as": _written_as(report),
        "converted_files": [
            (file, found.detected.get(file.name, _NOT_READ), given)
            for file in report.files[:_MAX_ROWS]
        ],
        "losses": [
            (what, "changed in form only" if what in found.form_only else "lost", rows)
            for what, rows in list(found.losses.items())[:_MAX_ROWS]
        ],
        "rows_out": [
            (name, figures.cut(text, _PAIR_CHARS)) for name, text in found.examples[:_MAX_EXAMPLES]
        ],
        "explain_id": _quoted(row) if row else "ROW_ID",
    }


def _written_as(report: Report) -> str:
    """Return what rows were written as: a setting of the job, or of a recipe's last step."""
    steps = report.plan.get("recipe", {}).get("steps", [])
    said = [step["convert"]["to"] for step in steps if "convert" in step]
    return str(report.config.get("to") or (said[-1] if said else ""))


def _quality(report: Report) -> dict[str, Any]:
    """What the sections on quality show, one a step, and a row to ask about."""
    judged = report.judged
    shown = [{"step": step, **quality_context(q, len(judged))} for step, q in judged.items()]
    cards = (card for one in shown for card in one["rule_examples"])
    examples = (row.id for _, failed, _, _ in cards for row in failed)
    row = next(examples, None)
    return {"quality": shown} | ({"explain_id": _quoted(row)} if row else {})


def _leaks(report: Report) -> dict[str, Any]:
    """What the sections on leaked test items show, one group of them a step, and a row to ask
    about."""
    searched = report.searched
    if not searched:
        return {"leaks": []}
    from thresher.report.leaks_page import leaks_context

    shown = [leaks_context(leaks, step, len(searched)) for step, leaks in searched.items()]
    cards = (card for one in shown for card in one["leak_cards"])
    row = next((e.item.match.row_id for card in cards for e in card.examples), None)
    return {"leaks": shown} | ({"explain_id": _quoted(row)} if row else {})


def _mixture(report: Report) -> dict[str, Any]:
    """What the section on a mixture shows."""
    if report.mixture is None:
        return {"mixture": None}
    from thresher.report.mixture_page import mixture_context

    return mixture_context(report.mixture)


def _splits(report: Report) -> dict[str, Any]:
    """What the section on splits shows."""
    if report.splits is None:
        return {"splits": None}
    from thresher.report.splits_page import splits_context

    return splits_context(report.splits)


def _quoted(row_id: str) -> str:
    return shlex.quote(figures.visible(row_id[:_CELL_CHARS]))


def _settings(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Flatten nested settings to dotted names; whatever is not text is shown as JSON."""
    lines: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, dict) and value:
            lines += _settings(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            lines.append((f"{prefix}{name}", figures.cut(text, _CELL_CHARS)))
    return lines[:_MAX_ROWS]
