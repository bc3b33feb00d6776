"""Phrase lists: which texts say a thing, such as a refusal, by patterns that live in data files.

A list is a file of RE2 patterns, one a line, so matching takes time linear in the text whatever the
pattern. All patterns of a list that look at the same part of a text are joined into one
alternation: one pass a part. A text's answer depends on that text alone; a null matches nothing.

The format of a file, for the lists shipped in `phrase_lists/` and for a user's own:

    # signal: refusals          how the figure is called; only this list's own default else
    # scope: answer             which texts it is for: answer, prompt, turn or text
    # about: Answers that ...   one line of help
    # window: 200               the patterns below see the first 200 characters (none: all)
    # case: sensitive           the patterns below tell a from A (ignore: they do not)
    # needs: not|n['’]t         the patterns below are tried on texts with this only (none: on all);
                                a further such line asks for that as well
    cannot := can(?:no|['’])t   a name for a piece of pattern
    ^i {{cannot}} help          a pattern that uses it

Other lines that start with `#` are comments; behind a pattern, `#` is part of the pattern. Of what
RE2 lacks (back references, looking around), nothing can be used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from thresher.errors import ConfigError

Scope = Literal["answer", "prompt", "turn", "text"]

_FOLDER = "phrase_lists"
_SETTING = re.compile(r"#\s*(signal|scope|about|window|case|needs)\s*:\s*(.*?)\s*")
_NAME = re.compile(r"([a-z][a-z0-9_]*)\s*:=\s*(.*)")
_USE = re.compile(r"\{\{([a-z][a-z0-9_]*)\}\}")
_PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]*")
# A line that a person wrote is far shorter; what is longer is generated or an attack, and RE2 falls
# back to slow (if linear) matching on programs that size.
_LONGEST_LINE = 2_000
_LONGEST_PATTERN = 20_000  # with its names filled in
# Past some size the states of RE2's machine no longer fit its memory and it falls back to a slow
# one: the patterns of refusals ran at 1 MB/s joined into one, at 14 MB/s joined up to this length
# (2 million characters of openings, one core). Lists share more varied patterns, so less of them.
_LONGEST_ALTERNATION = 8_000
_LONGEST_SHARED = 3_000
_LARGEST_FILE = 1 << 20
_COUNTED = re.compile(r"(?<!\\x)\{(?:\d\d+,?\d*|\d,\d\d+)\}")
_PROBES = ("", "\x01 \x02\n")


class _Sight(NamedTuple):
    """What patterns look at."""

    window: int | None
    ignore_case: bool
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """Patterns of a list that look at the same part of a text.

    Args:
        patterns: RE2 patterns.
        window: They see this many characters from the start; None: all.
        ignore_case: Whether a and A are the same.
        needs: Only texts that match all of these are looked at, which spares most texts the rest.
        joined: The patterns as few alternations, one where RE2's memory limit lets it.
    """

    patterns: tuple[str, ...]
    window: int | None
    ignore_case: bool
    needs: tuple[str, ...]
    joined: tuple[str, ...]

    @property
    def shared(self) -> str | None:
        """A pattern that every text it matches matches too, fit to be joined with other lists'.

        None where it sees less than the whole text, or counts: counted repetitions multiply with
        the patterns of the others, and RE2 turns slow.
        """
        if self.window is not None or (not self.needs and len(self.joined) > 1):
            return None
        first = self.needs[0] if self.needs else self.joined[0]
        return None if _COUNTED.search(first) else first

    def matches(self, texts: pa.Array) -> npt.NDArray[np.bool_]:
        """Tell which texts, cut to the window, one of the patterns matches."""
        found = np.zeros(len(texts), dtype=np.bool_)
        rows = np.arange(len(texts))
        for pattern in self.needs:
            kept = _matched(texts, pattern, self.ignore_case)
            texts, rows = texts.filter(pa.array(kept)), rows[kept]
        for pattern in self.joined:
            if len(rows):
                found[rows] |= _matched(texts, pattern, self.ignore_case)
        return found


@dataclass(frozen=True)
class PhraseList:
    """A named list of patterns.

    Args:
        name: Name of the list; the file's.
        signal: Name of the figure that counts the texts it matches.
        scope: Which texts of a row it is for.
        about: What its patterns find, in one line.
        parts: The patterns.
    """

    name: str
    signal: str
    scope: Scope
    about: str
    parts: tuple[Part, ...]

    @property
    def window(self) -> int | None:
        """Characters from the start that its first patterns see; None: all of them."""
        return self.parts[0].window

    @property
    def patterns(self) -> tuple[str, ...]:
        """All its patterns, in the order of the file."""
        return tuple(pattern for part in self.parts for pattern in part.patterns)

    def matches(self, texts: pa.Array) -> npt.NDArray[np.bool_]:
        """Tell which texts one of the patterns matches; a null is not one of them."""
        found = np.zeros(len(texts), dtype=np.bool_)
        openings: dict[int, pa.Array] = {}
        for part in self.parts:
            found |= part.matches(_seen(texts, part.window, openings))
        return found


class _Shipped(Mapping[str, PhraseList]):
    """The lists in `phrase_lists/`, each read at its first use."""

    def __getitem__(self, name: str) -> PhraseList:
        if name not in _names():
            raise KeyError(name)
        return _shipped(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_names())

    def __len__(self) -> int:
        return len(_names())


PHRASES: Mapping[str, PhraseList] = _Shipped()


def match(phrases: str | PhraseList, texts: pa.Array) -> npt.NDArray[np.bool_]:
    """Tell which texts a list matches.

    Args:
        phrases: A name in `PHRASES`, or a list that `load_phrases` read.
        texts: Array of strings (R,).

    Returns:
        Flags (R,); False where the text is null.
    """
    return (PHRASES[phrases] if isinstance(phrases, str) else phrases).matches(texts)


def match_all(
    lists: Sequence[str | PhraseList], texts: pa.Array
) -> dict[str, npt.NDArray[np.bool_]]:
    """Tell for several lists which texts they match; as `match` one by one, in fewer passes.

    Most texts are matched by no list, which a pass with the patterns of many lists at once finds
    out; only the others are looked at list by list.

    Args:
        lists: Names in `PHRASES`, or lists that `load_phrases` read, with different names.
        texts: Array of strings (R,).

    Returns:
        Name of the list → flags (R,); False where the text is null.
    """
    wanted = tuple(PHRASES[entry] if isinstance(entry, str) else entry for entry in lists)
    found = {entry.name: np.zeros(len(texts), dtype=np.bool_) for entry in wanted}
    for pattern, parts in _shared(wanted):
        rows = np.flatnonzero(_matched(texts, pattern, False))
        if len(rows):
            some = texts.take(pa.array(rows))
            for name, part in parts:
                found[name][rows] |= part.matches(some)
    openings: dict[int, pa.Array] = {}
    for entry in wanted:
        for part in entry.parts:
            if part.shared is None:
                found[entry.name] |= part.matches(_seen(texts, part.window, openings))
    return found


def _seen(texts: pa.Array, window: int | None, openings: dict[int, pa.Array]) -> pa.Array:
    """The first characters of texts, cut once for all parts that look at as many."""
    if window is None:
        return texts
    if window not in openings:
        openings[window] = pc.utf8_slice_codeunits(texts, 0, window)
    return openings[window]


@lru_cache(maxsize=64)
def _shared(lists: tuple[PhraseList, ...]) -> list[tuple[str, list[tuple[str, Part]]]]:
    """Alternations of whole parts, each with the parts in it and their lists' names."""
    shared: list[tuple[str, list[tuple[str, Part]]]] = []
    for entry in lists:
        for part in entry.parts:
            if part.shared is None:
                continue
            one = f"(?{'i' if part.ignore_case else '-i'}:{part.shared})"
            whole = f"{shared[-1][0]}|{one}" if shared else one
            if shared and len(whole) <= _LONGEST_SHARED and _fault(whole) is None:
                shared[-1] = (whole, [*shared[-1][1], (entry.name, part)])
            else:
                shared.append((one, [(entry.name, part)]))
    return shared


def load_phrases(path: str | Path, name: str | None = None) -> PhraseList:
    """Read a user's own list.

    Args:
        path: The file, UTF-8.
        name: Name of the list and, unless the file says otherwise, of its signal; the file's stem
            by default.

    Raises:
        ConfigError: No such file, or a line that is not a pattern, with its number and the reason.
    """
    where = Path(path)
    try:
        data = where.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"cannot read the phrase list: {error.strerror or error}", path=str(path)
        ) from error
    if len(data) > _LARGEST_FILE:
        raise ConfigError("the phrase list is larger than 1 MiB", path=str(path))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"line {line}: not UTF-8", path=str(path)) from error
    return parse_phrases(text, name or where.stem, str(path))


def parse_phrases(text: str, name: str, path: str) -> PhraseList:
    """Make a list of a file's text.

    Args:
        text: What the file says; the module's docstring has the format.
        name: Name of the list.
        path: The file's name for messages.

    Raises:
        ConfigError: A line that is not a pattern, with its number and the reason.
    """
    return _Parser(name, path).parse(text)


class _Parser:
    """Reads one file: settings hold for the lines below them."""

    def __init__(self, name: str, path: str) -> None:
        self.path = path
        self.name = name
        self.settings = {"signal": name, "scope": "answer", "about": f"Matches of {name}."}
        self.window: int | None = None
        self.ignore_case = True
        self.needs: tuple[str, ...] = ()
        self.pieces: dict[str, str] = {}
        self.first_lines: dict[tuple[str, _Sight], int] = {}
        self.line = 0

    def parse(self, text: str) -> PhraseList:
        # Only these end a line: str.splitlines would also cut at U+0085 or U+2028 in a pattern.
        for self.line, raw in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
            stripped = raw.strip()
            if setting := _SETTING.fullmatch(stripped):
                self._set(setting[1], setting[2])
            elif piece := _NAME.fullmatch(stripped):
                self._define(piece[1], piece[2])
            elif stripped and not stripped.startswith("#"):
                self._add(stripped)
        if not self.first_lines:
            raise ConfigError("no pattern in the phrase list", path=self.path)
        return PhraseList(
            name=self.name,
            signal=self.settings["signal"],
            scope=cast(Scope, self.settings["scope"]),
            about=self.settings["about"],
            parts=self._parts(),
        )

    def _set(self, key: str, value: str) -> None:
        if key == "window":
            if value != "none" and not (value.isascii() and value.isdigit() and int(value) > 0):
                self._refuse(f"window is {value!r}, expected a number of characters or none")
            self.window = None if value == "none" else int(value)
        elif key == "case":
            if value not in ("ignore", "sensitive"):
                self._refuse(f"case is {value!r}, expected ignore or sensitive")
            self.ignore_case = value == "ignore"
        elif key == "needs":
            self.needs = () if value == "none" else (*self.needs, self._checked(value))
        else:
            if key == "scope" and value not in get_args(Scope):
                self._refuse(f"scope is {value!r}, expected one of {', '.join(get_args(Scope))}")
            if key == "signal" and not _PLAIN_NAME.fullmatch(value):
                self._refuse(f"signal is {value!r}, expected lower-case letters, digits and _")
            self.settings[key] = value

    def _define(self, name: str, pattern: str) -> None:
        if name in self.pieces:
            self._refuse(f"{name} has been given a meaning before")
        self.pieces[name] = f"(?:{self._checked(pattern)})"

    def _add(self, line: str) -> None:
        pattern = self._checked(line)
        if all(_matched(pa.array([probe]), pattern, self.ignore_case)[0] for probe in _PROBES):
            self._refuse("matches every text")
        key = (pattern, _Sight(self.window, self.ignore_case, self.needs))
        if key in self.first_lines:
            self._refuse(f"repeats line {self.first_lines[key]}")
        self.first_lines[key] = self.line

    def _checked(self, line: str) -> str:
        """Fill in the names and see that RE2 accepts the pattern."""
        if len(line) > _LONGEST_LINE:
            self._refuse(f"longer than {_LONGEST_LINE:,} characters")
        if line[:1] == line[-2:-1] == '"' and line[-1:] == ",":
            self._refuse('looks like an item of code ("...",); write the bare pattern')

        def filled(use: re.Match[str]) -> str:
            if use[1] not in self.pieces:
                self._refuse(f"{{{{{use[1]}}}}} is not defined above")
            return self.pieces[use[1]]

        pattern = _USE.sub(filled, line)
        if len(pattern) > _LONGEST_PATTERN:
            self._refuse(f"longer than {_LONGEST_PATTERN:,} characters with its names filled in")
        reason = _fault(pattern)
        if reason is not None:
            self._refuse(reason)
        return pattern

    def _refuse(self, reason: str) -> None:
        raise ConfigError(f"line {self.line}: {reason}", path=self.path)

    def _parts(self) -> tuple[Part, ...]:
        groups: dict[_Sight, list[str]] = {}
        for pattern, sight in self.first_lines:
            groups.setdefault(sight, []).append(pattern)
        return tuple(
            Part(tuple(patterns), *sight, tuple(_joined(patterns)))
            for sight, patterns in groups.items()
        )


def _joined(patterns: list[str]) -> list[str]:
    """Join patterns into alternations, each small enough for RE2's fast machine.

    Those that start at the text's start are kept from those that start anywhere: of the two
    together the machine has the product of the states.
    """
    alternations: list[str] = []
    for kind in (True, False):
        current = ""
        for pattern in patterns:
            if _anchored(pattern) is not kind:
                continue
            whole = f"{current}|(?:{pattern})"
            if current and (len(whole) > _LONGEST_ALTERNATION or _fault(whole) is not None):
                alternations.append(current)
                current = ""
            current = f"{current}|(?:{pattern})" if current else f"(?:{pattern})"
        if current:
            alternations.append(current)
    return alternations


def _anchored(pattern: str) -> bool:
    return re.match(r"(?:\(\?:)*(?:\^|\\A)", pattern) is not None


def _fault(pattern: str) -> str | None:
    """Say why RE2 does not accept a pattern; None: it does."""
    try:
        _matched(pa.array([""]), pattern, True)
    except pa.ArrowInvalid as error:
        return str(error).removeprefix("Invalid regular expression: ")
    return None


def _matched(texts: pa.Array, pattern: str, ignore_case: bool) -> npt.NDArray[np.bool_]:
    found: Any = pc.match_substring_regex(texts, pattern, ignore_case=ignore_case)
    flags: npt.NDArray[np.bool_] = found.fill_null(False).to_numpy(zero_copy_only=False)
    return flags


@cache
def _names() -> tuple[str, ...]:
    folder = resources.files(__package__) / _FOLDER
    return tuple(
        sorted(entry.name[:-4] for entry in folder.iterdir() if entry.name.endswith(".txt"))
    )


@cache
def _shipped(name: str) -> PhraseList:
    entry = resources.files(__package__) / _FOLDER / f"{name}.txt"
    return parse_phrases(entry.read_text(encoding="utf-8"), name, f"{name}.txt")
