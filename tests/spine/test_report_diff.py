"""Differences between two texts: right, readable and bounded."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from thresher.report.diff import Piece, cut_pieces, word_differences


def marked(pieces: list[Piece]) -> list[str]:
    return [p.text for p in pieces if p.kind == "only"]


def joined(pieces: list[Piece]) -> str:
    return "".join(p.text for p in pieces)


def test_changed_words_are_marked_and_nothing_else() -> None:
    left, right = word_differences("The old mill stood still.", "The new mill  stood\nstill!")
    assert left == [
        Piece("same", "The "),
        Piece("only", "old"),
        Piece("same", " "),
        Piece("same", "mill stood still"),
        Piece("only", "."),
    ]
    assert marked(right) == ["new", "!"]
    assert joined(right) == "The new mill  stood\nstill!"


def test_equal_texts_have_no_marks() -> None:
    for text in ("", "  ", "one", " a b  c\n"):
        assert [marked(side) for side in word_differences(text, text)] == [[], []]


def test_one_empty_side_marks_the_other_whole() -> None:
    assert word_differences("", "some words") == ([], [Piece("only", "some words")])


def test_scripts_without_spaces_are_compared_letter_by_letter() -> None:
    left, right = word_differences("今天天气很好", "今天天气不好")
    assert (marked(left), marked(right)) == (["很"], ["不"])


@given(st.text(max_size=200), st.text(max_size=200))
def test_pieces_of_short_texts_join_to_the_text(left: str, right: str) -> None:
    a, b = word_differences(left, right)
    assert (joined(a), joined(b)) == (left, right)
    same = ["".join("".join(p.text for p in side if p.kind == "same").split()) for side in (a, b)]
    assert same[0] == same[1]


@given(st.lists(st.sampled_from(["a", "b", "corn ", "mill. ", " "]), max_size=400))
def test_what_is_shared_is_the_same_on_both_sides(words: list[str]) -> None:
    left = "".join(words)
    right = "".join(word for i, word in enumerate(words) if i % 7)
    a, b = word_differences(left, right)
    plain = ["".join(p.text for p in side if p.kind == "same").split() for side in (a, b)]
    assert "".join(plain[0]) == "".join(plain[1])


def test_long_shared_runs_are_folded() -> None:
    words = " ".join(f"w{i}" for i in range(300))
    left, right = word_differences(f"{words} old", f"{words} new")
    assert [p.kind for p in left] == ["same", "folded", "same", "only"]
    assert left[1].text == "220 words the same" == right[1].text
    assert left[2].text.startswith("w260 ")


def test_a_difference_far_into_a_long_text_is_shown() -> None:
    words = " ".join(f"w{i}" for i in range(100_000))
    left, right = word_differences(f"{words} old end", f"{words} new end")
    assert (marked(left), marked(right)) == (["old"], ["new"])
    assert left[0].kind == "folded" and left[0].text.endswith("characters the same")


def test_texts_behind_the_bound_are_counted_not_compared() -> None:
    left, _ = word_differences("a " * 50_000, "b " * 50_000)
    assert left[-1] == Piece("folded", "88,000 more characters, not compared")


def test_the_cost_is_bounded_on_texts_made_to_be_slow() -> None:
    hostile = (
        ("a b " * 50_000, "b a " * 50_000),
        ("x" * 10**6, "x" * 10**6 + "y"),
        ("語" * 10**5, "言" + "語" * 10**5),
        (" ".join(str(i % 97) for i in range(4000)), " ".join(str(i % 89) for i in range(4000))),
    )
    began = time.perf_counter()
    for left, right in hostile:
        word_differences(left, right)
    assert time.perf_counter() - began < 10


def test_cutting_pieces_says_how_much_is_missing() -> None:
    pieces = [Piece("same", "abc"), Piece("only", "defg"), Piece("same", "hij")]
    assert cut_pieces(pieces, 10) == pieces
    assert cut_pieces(pieces, 5) == [
        Piece("same", "abc"),
        Piece("only", "de"),
        Piece("folded", "5 more characters"),
    ]
    assert cut_pieces(pieces, 3) == [Piece("same", "abc"), Piece("folded", "7 more characters")]
