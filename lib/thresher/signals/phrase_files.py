"""Files of phrase patterns: what is in them, and how they are read and checked.

The format, of the lists shipped in `phrase_lists/` and of a user's own:

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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from thresher.errors import ConfigError

Scope = Literal["answer", "prompt", "turn", "text"]

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
        if self.window is not None:
            return None
        first = self.needs[0] if self.needs else "|".join(self.joined)
        return None if len(first) > _LONGEST_ALTERNATION or _COUNTED.search(first) else first

    def matches(self, texts: pa.Array) -> npt.NDArray[np.bool_]:
        """Tell which texts, cut to the window, one of the patterns matches."""
        found = np.zeros(len(texts), dtype=np.bool_)
        rows = np.arange(len(texts))
        for pattern in self.needs:
            kept = matched(texts, pattern, self.ignore_case)
            texts, rows = texts.filter(pa.array(kept)), rows[kept]
        for pattern in self.joined:
            if len(rows):
                found[rows] |= matched(texts, pattern, self.ignore_case)
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
            found |= part.matches(seen(texts, part.window, openings))
        return found


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
            if value != "none" and not re.fullmatch(r"[1-9][0-9]{0,8}", value):
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
        if all(matched(pa.array([probe]), pattern, self.ignore_case)[0] for probe in _PROBES):
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
        reason = fault(pattern)
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
        group: list[str] = []
        length = 0
        for pattern in (f"(?:{pattern})" for pattern in patterns if _anchored(pattern) is kind):
            if length + len(pattern) > _LONGEST_ALTERNATION:
                alternations += _accepted(group)
                group, length = [], 0
            group.append(pattern)
            length += len(pattern) + 1
        alternations += _accepted(group)
    return alternations


def _accepted(group: list[str]) -> list[str]:
    """Join patterns, or where RE2 has no memory for them all, each half of them."""
    whole = "|".join(group)
    if len(group) < 2 or fault(whole) is None:
        return [whole] if group else []
    half = len(group) // 2
    return _accepted(group[:half]) + _accepted(group[half:])


def _anchored(pattern: str) -> bool:
    return re.match(r"(?:\(\?:)*(?:\^|\\A)", pattern) is not None


def fault(pattern: str) -> str | None:
    """Say why RE2 does not accept a pattern; None: it does."""
    try:
        matched(pa.array([""]), pattern, True)
    except pa.ArrowInvalid as error:
        return str(error).removeprefix("Invalid regular expression: ")
    return None


def seen(texts: pa.Array, window: int | None, openings: dict[int, pa.Array]) -> pa.Array:
    """The first characters of texts, cut once for all parts that look at as many."""
    if window is None:
        return texts
    if window not in openings:
        openings[window] = pc.utf8_slice_codeunits(texts, 0, window)
    return openings[window]


def matched(texts: pa.Array, pattern: str, ignore_case: bool) -> npt.NDArray[np.bool_]:
    found: Any = pc.match_substring_regex(texts, pattern, ignore_case=ignore_case)
    flags: npt.NDArray[np.bool_] = found.fill_null(False).to_numpy(zero_copy_only=False)
    return flags
