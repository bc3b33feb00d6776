"""What a recipe read and what it wrote, by source and category: rows, tokens, turns, languages; as
types, as the section's figures, and as a table for the card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Self

from pydantic import model_validator

from thresher.report import charts, figures
from thresher.report.strict import Count, Strict

_MOST_PARTS, _CARD_PARTS = 200, 50
_MOST_LANGUAGES = 3  # in a cell
_SURELY_SHOWN = 0.01
_COLOURS = ("kept", "exact", "near", "other", "same", "bad")


class Amounts(Strict):
    """Rows with what they hold.

    `turned` rows have turns, plain text has none. `languages` counts rows by ISO 639 code; `other`
    and `unknown` rows are those of rarer languages, and those whose text is too short to tell.
    """

    rows: Count
    tokens: Count
    turns: Count
    turned: Count
    languages: dict[str, Count]
    other: Count
    unknown: Count

    @model_validator(mode="after")
    def _all_rows_told(self) -> Self:
        if sum(self.languages.values()) + self.other + self.unknown != self.rows:
            raise ValueError("languages do not add up to the rows")
        return self

    @property
    def mean_turns(self) -> float | None:
        """Messages of a conversation on average; None where there is none."""
        return self.turns / self.turned if self.turned else None


class Part(Strict):
    """A source or a category; None is that of rows without one."""

    name: str | None
    before: Amounts
    after: Amounts


class Composition(Strict):
    """`plan.composition`: `counter` is what counted tokens, `detector` what told languages."""

    counter: str
    exact: bool
    detector: str | None
    sources: tuple[Part, ...]
    category: str | None
    categories: tuple[Part, ...]
    whole: Part

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        for parts in filter(None, (self.sources, self.categories)):
            for side in ("before", "after"):
                whole = getattr(self.whole, side)
                for figure in ("rows", "tokens", "turns", "turned"):
                    found = sum(getattr(getattr(part, side), figure) for part in parts)
                    if found != getattr(whole, figure):
                        raise ValueError(f"{figure} {side} do not add up")
        return self

    @property
    def unit(self) -> Literal["tokens", "tokens, estimated"]:
        """What is counted."""
        return "tokens" if self.exact else "tokens, estimated"


class Line(NamedTuple):
    """One line of a table: before and after, and what is written of them."""

    part: Part
    turns: tuple[str, str]
    languages: str


class Table(NamedTuple):
    """A table, and bars of its shares before and after."""

    head: str
    lines: list[Line]
    all: int
    bars: list[tuple[str, list[charts.Segment], str]]
    legend: list[tuple[str, str]]


def composition_context(facts: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what the template needs; `composition` is None for other jobs."""
    if facts is None:
        return {"composition": None}
    found = Composition.model_validate(facts)
    tables = [_table("Source", found.sources, found)]
    if found.category is not None:
        tables.append(_table(found.category, _ranked(found.categories), found))
    return {
        "composition": found,
        "composition_tables": tables,
        "composition_whole": _line(found.whole),
    }


def _ranked(categories: Sequence[Part]) -> list[Part]:
    """Return the largest first."""
    return sorted(categories, key=lambda part: (-part.after.tokens, -part.before.tokens))


def _table(head: str, parts: Sequence[Part], found: Composition) -> Table:
    most = len(_COLOURS) if len(parts) <= len(_COLOURS) else len(_COLOURS) - 1
    shown, rest = parts[:most], parts[most:]
    bars = []
    for side in ("before", "after"):
        sizes = [
            (_named(part), colour, getattr(part, side).tokens)
            for part, colour in zip(shown, _COLOURS, strict=False)
        ]
        if rest:
            sizes.append(("others", _COLOURS[-1], sum(getattr(p, side).tokens for p in rest)))
        total = getattr(found.whole, side).tokens
        said = ", ".join(f"{name} {figures.share(count, total)}" for name, _, count in sizes)
        bars.append((side, charts.stacked(sizes), said))
    legend = [(_named(part), colour) for part, colour in zip(shown, _COLOURS, strict=False)]
    return Table(
        head,
        [_line(part) for part in parts[:_MOST_PARTS]],
        len(parts),
        bars,
        [*legend, *([("others", _COLOURS[-1])] if rest else [])],
    )


def _named(part: Part) -> str:
    return "none" if part.name is None else part.name


def _line(part: Part) -> Line:
    turns = tuple(_mean(amounts.mean_turns) for amounts in (part.before, part.after))
    shown = part.after if part.after.rows else part.before
    return Line(part, (turns[0], turns[1]), _spoken(shown))


def _mean(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _spoken(amounts: Amounts) -> str:
    """Say the shares of the most frequent languages."""
    told = amounts.rows - amounts.unknown
    ranked = sorted(amounts.languages.items(), key=lambda item: (-item[1], item[0]))
    shown = [
        f"{code} {figures.share(rows, amounts.rows, 0)}"
        for number, (code, rows) in enumerate(ranked[:_MOST_LANGUAGES])
        if rows >= _SURELY_SHOWN * amounts.rows or number == 0
    ]
    rest = len(ranked) - len(shown)
    if not told:
        return "–"
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def composition_markdown(facts: Mapping[str, Any]) -> str:
    """Return the tables of the card."""
    found = Composition.model_validate(facts)
    lines = [*_markdown("source", found.sources, found.whole)]
    if found.category is not None:
        lines += ["\n", *_markdown(found.category, _ranked(found.categories), found.whole)]
    how = found.counter if found.exact else f"estimated ({found.counter}), without a tokenizer"
    told = f" Languages are told by {found.detector}." if found.detector else ""
    lines.append(
        f"\nTokens are {'counted by ' if found.exact else ''}{how}.{told} A row that is written "
        "several times counts as often.\n"
    )
    return "".join(lines)


def _markdown(head: str, parts: Sequence[Part], whole: Part) -> Iterator[str]:
    yield (
        f"| {_cell(head)} | rows before | after | tokens before | after | share of tokens before "
        "| after | turns before | after | languages |\n"
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---|\n"
    )
    for part in parts[:_CARD_PARTS]:
        yield _markdown_line(_cell(_named(part)), part, whole)
    if len(parts) > _CARD_PARTS:
        yield f"| and {len(parts) - _CARD_PARTS:,} more |||||||||\n"
    if len(parts) > 1:
        yield _markdown_line("**all**", whole, whole)


def _markdown_line(name: str, part: Part, whole: Part) -> str:
    before, after = part.before, part.after
    line = _line(part)
    cells = [
        name,
        f"{before.rows:,}",
        f"{after.rows:,}",
        f"{before.tokens:,}",
        f"{after.tokens:,}",
        figures.share(before.tokens, whole.before.tokens),
        figures.share(after.tokens, whole.after.tokens),
        *line.turns,
        line.languages,
    ]
    return f"| {' | '.join(cells)} |\n"


def _cell(text: str) -> str:
    return figures.one_line(text, 80).replace("|", " ")
