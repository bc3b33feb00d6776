"""Cutting texts: the fast way equals the plain one, and nothing is lost or left."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from tests.examples import examples
from thresher.leaks.cutting import (
    IN_PIECES,
    MOST_SEARCHES,
    NOTHING_LEFT,
    STILL_FOUND,
    CutRule,
    Span,
    back,
    cut_once,
    cut_texts,
    forth,
    gaps,
)

TEXTS = st.text(alphabet=st.sampled_from("ab é鸭🦆\u0301"), max_size=60)


@st.composite
def cases(draw: st.DrawFn) -> tuple[bytes, list[Span], CutRule]:
    """A text, spans of its characters as bytes, and a rule."""
    text = draw(TEXTS)
    ends = [len(text[:n].encode()) for n in range(len(text) + 1)]
    place = st.sampled_from(ends)
    spans = draw(st.lists(st.tuples(place, place).map(lambda p: (min(p), max(p))), max_size=4))
    rule = CutRule(
        margin=draw(st.integers(0, 5)),
        least_piece=draw(st.integers(1, 6)),
        most_pieces=draw(st.integers(1, 3)),
    )
    return text.encode(), spans, rule


def plain_pieces(data: bytes, spans: list[Span], rule: CutRule) -> list[str]:
    """Mark every character that goes, one by one."""
    text = data.decode()
    gone = [False] * len(text)
    for start, stop in spans:
        first, last = len(data[:start].decode()), len(data[:stop].decode())
        for n in range(max(0, first - rule.margin), min(len(text), last + rule.margin)):
            gone[n] = True
    pieces, piece = [], ""
    for character, cut in [*zip(text, gone, strict=True), ("", True)]:
        if cut:
            pieces += [piece] if len(piece) >= rule.least_piece else []
            piece = ""
        else:
            piece += character
    return pieces if len(pieces) <= rule.most_pieces else []


@given(cases())
@examples(100)
def test_pieces_are_those_of_characters_marked_one_by_one(
    case: tuple[bytes, list[Span], CutRule],
) -> None:
    data, spans, rule = case
    spans = [span for span in spans if span[0] < span[1]]
    pieces = cut_once(data, spans, rule).pieces
    assert [data[a:b].decode() for a, b in pieces] == plain_pieces(data, spans, rule)


@given(cases())
@examples(100)
def test_pieces_and_what_lies_between_them_are_the_text(
    case: tuple[bytes, list[Span], CutRule],
) -> None:
    data, spans, rule = case
    pieces = cut_once(data, spans, rule).pieces
    parts = sorted([*pieces, *gaps(len(data), pieces)])
    assert b"".join(data[a:b] for a, b in parts) == data
    for start, stop in spans if pieces else []:
        assert not any(max(start, a) < min(stop, b) for a, b in pieces)


@given(TEXTS, st.data(), st.integers(0, 70))
@examples(100)
def test_steps_count_whole_characters(text: str, data: st.DataObject, count: int) -> None:
    n = data.draw(st.integers(0, len(text)))
    at = len(text[:n].encode())
    assert text.encode()[: back(text.encode(), at, count)].decode() == text[: max(0, n - count)]
    assert text.encode()[forth(text.encode(), at, count) :].decode() == text[n + count :]


def first_of(item: bytes, calls: list[int]) -> object:
    """Return a search that names the first place of an item in a text, as ours names one."""

    def search(texts: list[bytes]) -> Iterator[tuple[int, Span]]:
        calls.append(len(texts))
        for number, text in enumerate(texts):
            at = text.find(item)
            if at >= 0:
                yield number, (at, at + len(item))

    return search


RULE = CutRule(margin=3, least_piece=4, most_pieces=3)


def test_an_item_that_stands_in_a_text_twice_is_cut_out_twice() -> None:
    text = b"aaaaaaaaaa ITEM bbbbbbbbbb ITEM cccccccccc"
    calls: list[int] = []
    (made,) = cut_texts([text], [[(11, 15)]], RULE, first_of(b"ITEM", calls))  # type: ignore[arg-type]
    assert [text[a:b] for a, b in made.pieces] == [b"aaaaaaaa", b"bbbbbb", b"cccccccc"]
    assert calls == [2, 2]  # the piece in which nothing was found is not searched again


def test_a_text_goes_where_too_little_stays_or_too_much_is_cut() -> None:
    calls: list[int] = []
    search = first_of(b"ITEM", calls)
    texts = [b"aa ITEM bb", b"ITEM aaaaaaaaaaaa " * 4, b"ITEM" * 60 + b"x" * 40]
    rule = RULE.model_copy(update={"margin": 0, "least_piece": 1})
    made = cut_texts(texts[:1], [[(3, 7)]], RULE, search)  # type: ignore[arg-type]
    made += cut_texts(texts[1:], [[(0, 4)], [(0, 4)]], rule, search)  # type: ignore[arg-type]
    assert [cut.why for cut in made] == [NOTHING_LEFT, IN_PIECES, STILL_FOUND]
    assert not any(cut.pieces for cut in made) and len(calls) <= 2 + MOST_SEARCHES
