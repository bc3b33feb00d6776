"""All signals of a profile for batches of rows: one place that knows which group computes what.

Shapes: R rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from thresher.errors import ConfigError
from thresher.formats.rows import Kind as RowKind
from thresher.formats.rows import Rows
from thresher.formats.texts import row_texts
from thresher.params import Params
from thresher.signals import document, tokens
from thresher.signals import language as languages
from thresher.signals.language_model import detector_id
from thresher.signals.profile import Profile, ScorerSpec, nearest
from thresher.signals.prompts import KEYS
from thresher.signals.signal import TOKENIZER, Group, Signal

if TYPE_CHECKING:
    from thresher.signals.phrases import PhraseList
    from thresher.signals.scorer import Scorer

Columns = dict[str, pa.Array]
OWN_COLUMNS = frozenset({"id", "error", *(field.name for field in KEYS)})
# In the order of their columns. The modules are loaded by the profiles that want the group.
_MODULES: dict[Group, str] = {
    "text": "document",
    "code": "code",
    "chat": "chat",
    "phrases": "turn_phrases",
    "preference": "preference",
    "unpaired": "unpaired",
    "language": "language",
    "tokens": "tokens",
}


class TokenOptions(Params):
    """How tokens are counted."""

    tokenizer: str | None = None


class Computation:
    """What computes a profile's signals.

    Args:
        profile: Which signals.
        assets: Contents of the files that they need, by name.

    Raises:
        ConfigError: An option or a file is not what it should be.
        EngineError: A package that a group needs is not installed.
    """

    def __init__(self, profile: Profile, assets: Mapping[str, bytes]) -> None:
        self.profile = profile
        self._assets = assets
        self._groups = frozenset(profile.groups)
        for group in profile.options:
            if group not in self._groups:
                raise ConfigError(
                    f"options of '{group}', which is not among the groups computed",
                    remedy=nearest(group, self._groups) + f"groups: {', '.join(profile.groups)}",
                )

    def _options(self, group: Group, kind: Callable[..., Any]) -> Any:
        return kind(**self.profile.options.get(group, {}))

    @cached_property
    def _text(self) -> document.TextOptions:
        return document.TextOptions.model_validate(self.profile.options.get("text", {}))

    @cached_property
    def _language(self) -> languages.LanguageOptions:
        return languages.LanguageOptions.model_validate(self.profile.options.get("language", {}))

    @cached_property
    def counter(self) -> tokens.Counter:
        """What counts tokens."""
        if TOKENIZER in self._assets:
            return tokens.TokenizerFile(self._assets[TOKENIZER])
        return tokens.Estimate()

    @cached_property
    def _lists(self) -> tuple[PhraseList, ...]:
        from thresher.signals.phrases import PHRASES, parse_phrases

        own = [
            parse_phrases(_decoded(self._assets[name], path), name, path)
            for name, path in self.profile.phrases.items()
        ]
        return (*PHRASES.values(), *own)

    @cached_property
    def scorers(self) -> tuple[tuple[ScorerSpec, Scorer], ...]:
        """The models, with what they read."""
        if not self.profile.scorers:
            return ()
        from thresher.signals.scorer import load_scorer

        return tuple(
            (spec, load_scorer(spec.model, dict(spec.options), self._assets.get(spec.model)))
            for spec in self.profile.scorers
        )

    @cached_property
    def signals(self) -> tuple[Signal, ...]:
        """The signals computed for single rows, in the order of their columns."""
        if self.profile.phrases:
            assert self._lists  # a list that cannot be read is refused, whoever asks for it
        found = [
            signal
            for group in _MODULES
            if group in self._groups
            for signal in self._catalogue(group)
        ]
        found += [signal for _, scorer in self.scorers for signal in scorer.columns]
        names = [signal.name for signal in found]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ConfigError(f"two signals are named '{twice}'", remedy="rename the scorer's")
        ours = next((name for name in names if name.startswith("_") or name in OWN_COLUMNS), None)
        if ours is not None:
            raise ConfigError(f"a signal may not be named '{ours}'", remedy="rename the scorer's")
        return tuple(found)

    def _catalogue(self, group: Group) -> tuple[Signal, ...]:
        if group == "phrases":
            made: tuple[Signal, ...] = _module(group).phrase_catalogue(self._lists)
            return made
        found: tuple[Signal, ...] = _module(group).SIGNALS
        return found

    def of_text(self, text: pa.Array) -> Columns:
        """Return the signals of rows that are plain text.

        Args:
            text: (R,) strings.
        """
        rows = Rows(RowKind.TEXT, len(text), {}, {"text": text.cast(pa.large_string())})
        return self.of_rows(rows)

    def of_rows(self, rows: Rows) -> Columns:
        """Return the signals of R rows of one kind."""
        found: Columns = {}
        plain = rows.kind is RowKind.TEXT
        text = self._part(rows, self.profile.text)
        if "text" in self._groups:
            found |= document.text_signals(text, self._text)
        if "code" in self._groups:
            found |= _module("code").code_signals(text)
        if "chat" in self._groups:
            found |= _module("chat").chat_signals(rows)
        if "phrases" in self._groups:
            found |= _module("phrases").phrase_signals(rows, self._lists)
        if "preference" in self._groups:
            found |= _module("preference").preference_signals(rows)
        if "unpaired" in self._groups:
            found |= _module("unpaired").unpaired_signals(rows)
        if "language" in self._groups:
            sides = {} if plain else {n: row_texts(rows, n) for n in ("prompt", "response")}
            whole = text if plain else row_texts(rows, "conversation")
            found |= languages.language_signals(whole, self._language, **sides)
        if "tokens" in self._groups:
            found |= tokens.token_signals(rows, self.counter)
        for spec, scorer in self.scorers:
            from thresher.signals.scorer import score_texts

            found |= score_texts(scorer, self._part(rows, spec.on)).columns
        return found

    def _part(self, rows: Rows, part: str) -> pa.Array:
        """Return the text that a group reads; plain text is whole whatever part is asked for."""
        if rows.kind is RowKind.TEXT:
            return rows.column("text")
        return row_texts(rows, "conversation" if part == "text" else part)  # type: ignore[arg-type]

    def models(self) -> list[dict[str, str]]:
        """Return name, version and hash of everything that was learnt from data."""
        found = []
        if "tokens" in self._groups:
            name, _, version = self.counter.name.partition(" ")
            found.append({"name": name, "version": version, "hash": self.counter.digest or ""})
        if "language" in self._groups:
            detector = detector_id(self._language.language_detector)
            name, _, version = detector.partition(" ")
            found.append({"name": name, "version": version, "hash": ""})
        for _, scorer in self.scorers:
            found.append({"name": scorer.name, "version": scorer.version, "hash": scorer.digest})
        return found


def _module(group: Group) -> Any:
    """Return the module that computes a group."""
    return import_module(f"thresher.signals.{_MODULES[group]}")


def _decoded(content: bytes, path: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"not UTF-8 ({error})", path=path) from error


@lru_cache(maxsize=4)
def _cached(profile: str, assets: tuple[tuple[str, bytes], ...]) -> Computation:
    return Computation(Profile.model_validate_json(profile), dict(assets))


def computation(profile: Profile, assets: Mapping[str, bytes]) -> Computation:
    """Return what computes a profile's signals, made once a process."""
    return _cached(profile.model_dump_json(by_alias=True), tuple(sorted(assets.items())))
