"""The flow of a recipe's rows: from each source through each step, as types, figures and a
picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from pydantic import Field, model_validator

from thresher.report import figures
from thresher.report.strict import Count, Strict

WIDTH, HEIGHT, TOP, LEFT, RIGHT = 960, 300, 34, 150, 130
_GAP = 10  # between sources
_LABEL = 27  # lines of a source's name and figure
_COLOURS = ("kept", "exact", "near", "other", "same")
_SHOWN = 8  # sources in the picture; the table has all
_NAME_CHARS = 20


class FlowSource(Strict):
    """Rows of one source: what came, what each step left out, what was written."""

    name: str
    rows_in: Count
    left_out: dict[str, Count]
    rows_out: Count

    @property
    def added(self) -> int:
        """Rows that are written more than once, or made of one."""
        return self.rows_out - self.passed

    @property
    def passed(self) -> int:
        """Rows that no step left out."""
        return self.rows_in - sum(self.left_out.values())


class RecipeFlow(Strict):
    """`plan.flow`: steps in order; the first stands for rows that could not be read.

    `quarantined` says how many of the rows that a step left out lie in quarantine.
    """

    steps: tuple[str, ...]
    sources: tuple[FlowSource, ...]
    quarantined: dict[str, Count] = Field({})

    @model_validator(mode="after")
    def _all_steps_everywhere(self) -> Self:
        if any(tuple(source.left_out) != self.steps for source in self.sources):
            raise ValueError("a source does not name every step in order")
        return self

    def gone(self, step: str) -> int:
        """Return the rows that a step left out."""
        return sum(source.left_out[step] for source in self.sources)


@dataclass(frozen=True)
class Band:
    """A shape of the picture."""

    path: str
    colour: str
    label: str


class Label(NamedTuple):
    """What is written beside a source's band: on the left where it comes, on the right where it
    goes."""

    came: float
    went: float
    name: str
    rows_in: int
    rows_out: str


def flow_context(facts: dict[str, Any] | None) -> dict[str, Any]:
    """Return what the template needs; `flow` is None for jobs without steps."""
    if facts is None:
        return {"flow": None}
    flow = RecipeFlow.model_validate(facts)
    steps = [step for step in flow.steps if flow.gone(step) or step != flow.steps[0]]
    columns = [(step, _less(flow.gone(step))) for step in steps]
    sources = _largest(flow)
    bands, labels = _bands(sources, steps)
    space = (WIDTH - LEFT - RIGHT) / max(len(steps), 1)
    heads = [
        (LEFT + space * (number + 0.5), step[:_NAME_CHARS], gone)
        for number, (step, gone) in enumerate(columns)
    ]
    said = ", ".join(f"{step} leaves out {figures.count(flow.gone(step))}" for step in steps)
    return {
        "flow": flow,
        "flow_steps": steps,
        "flow_bands": bands,
        "flow_labels": labels,
        "flow_heads": heads,
        "flow_added": sum(source.added for source in flow.sources),
        "flow_said": f"Rows from each source through each step: {said}. The table has the figures.",
        "flow_size": (WIDTH, TOP + HEIGHT + 46),
    }


def _less(rows: int) -> str:
    return f"−{figures.count(rows)}" if rows else "0"


def _apart(places: list[float]) -> list[float]:
    """Move labels down, and up again where the picture ends, so that none lies on another."""
    found: list[float] = []
    for place in places:
        found.append(max(place, found[-1] + _LABEL) if found else place)
    lowest = float(TOP + HEIGHT)
    for number in reversed(range(len(found))):
        found[number] = lowest = min(found[number], lowest)
        lowest -= _LABEL
    return found


def _largest(flow: RecipeFlow) -> list[FlowSource]:
    """Return the largest sources, the others as one."""
    if len(flow.sources) <= _SHOWN:
        return list(flow.sources)
    large = sorted(flow.sources, key=lambda source: -source.rows_in)[: _SHOWN - 1]
    rest = [source for source in flow.sources if source not in large]
    others = FlowSource(
        name=f"{len(rest)} others",
        rows_in=sum(source.rows_in for source in rest),
        left_out={step: sum(source.left_out[step] for source in rest) for step in flow.steps},
        rows_out=sum(source.rows_out for source in rest),
    )
    return [*(source for source in flow.sources if source in large), others]


def _bands(sources: list[FlowSource], steps: list[str]) -> tuple[list[Band], list[Label]]:
    """Return the shapes, and what is written beside them.

    Every source is a band as thick as its rows. At each step the part that goes bends down to the
    floor; rows that are written several times are as thick as they came.
    """
    total = sum(source.rows_in for source in sources)
    scale = (HEIGHT - _GAP * max(len(sources) - 1, 0)) / max(total, 1)
    space = (WIDTH - LEFT - RIGHT) / max(len(steps), 1)
    floor = TOP + HEIGHT + 34
    bands: list[Band] = []
    middles: list[tuple[float, float]] = []
    top = float(TOP)
    for number, source in enumerate(sources):
        left = source.rows_in
        colour = _COLOURS[number % len(_COLOURS)]
        for place, step in enumerate(steps):
            begin, end = LEFT + space * place, LEFT + space * (place + 1)
            gone = source.left_out[step]
            keep = left - gone
            if keep:
                what = f"{source.name}: {figures.count(keep)} rows pass {step}"
                bands.append(Band(_rectangle(begin, end, top, keep * scale), colour, what))
            if gone:
                what = f"{source.name}: {figures.count(gone)} rows left out by {step}"
                shape = _falling(begin, end, top + keep * scale, gone * scale, floor)
                bands.append(Band(shape, "bad", what))
            left = keep
        middles.append((top + source.rows_in * scale / 2, top + left * scale / 2))
        top += source.rows_in * scale + _GAP
    falling = [band for band in bands if band.colour == "bad"]
    places = _apart([came for came, _ in middles])
    out = _apart([went for _, went in middles])
    labels = [
        Label(came, went, figures.cut(s.name, _NAME_CHARS), s.rows_in, _written(s))
        for came, went, s in zip(places, out, sources, strict=True)
    ]
    return [*(b for b in bands if b.colour != "bad"), *falling], labels


def _written(source: FlowSource) -> str:
    """Say how many rows are written; of how many, where that is more than the band is thick."""
    rows = figures.count(source.rows_out)
    return f"{figures.count(source.passed)} → {rows}" if source.added else rows


def _rectangle(begin: float, end: float, top: float, height: float) -> str:
    return f"M{begin:.1f} {top:.2f}H{end:.1f}V{top + max(height, 0.4):.2f}H{begin:.1f}Z"


def _falling(begin: float, end: float, top: float, height: float, floor: float) -> str:
    """Return a ribbon that leaves a band and bends down to the floor."""
    height = max(height, 0.6)
    middle = begin + (end - begin) * 0.55
    width = min(height, (end - begin) * 0.3)
    bend = (middle - begin) * 0.9
    return (
        f"M{begin:.1f} {top:.2f}C{begin + bend:.1f} {top:.2f} {middle + width:.1f} {top:.2f} "
        f"{middle + width:.1f} {floor:.1f}H{middle:.1f}"
        f"C{middle:.1f} {top + height:.2f} {begin + bend:.1f} {top + height:.2f} "
        f"{begin:.1f} {top + height:.2f}Z"
    )
