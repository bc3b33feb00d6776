"""What `score` reads beside the rows: a profile, and files that its signals need; no kernels."""

from __future__ import annotations

import hashlib
from pathlib import Path

from thresher.errors import ConfigError
from thresher.formats.rows import Kind
from thresher.signals.profile import Profile
from thresher.signals.signal import TOKENIZER
from thresher_jobs.profiles import built_in_for, chosen, load_profile
from thresher_jobs.score_params import ScoreParams

MOST_ASSET_BYTES = 2 << 30


def wanted_profile(params: ScoreParams, *, texts: bool) -> Profile | None:
    """Return the profile that the parameters ask for; None where the rows' formats decide.

    Args:
        params: The parameters.
        texts: Whether a column is named as the text of all rows: no formats are looked for.

    Raises:
        ConfigError: A text column is named, and a profile of conversations.
    """
    if params.profile == "auto" and not texts:
        return None
    name = built_in_for({Kind.TEXT}) if params.profile == "auto" else params.profile
    found = chosen(load_profile(name), params)
    if texts and found.uses_formats:
        raise ConfigError(
            f"the profile '{name}' reads conversations, not the column '{params.text_column}'",
            remedy="leave text_column out, or choose a profile of texts such as web",
        )
    return found


def digest_of_asset(content: bytes) -> str:
    """Return what tells one file from another."""
    return hashlib.sha256(content).hexdigest()


def read_assets(params: ScoreParams, profile: Profile | None) -> dict[str, bytes]:
    """Read the files that signals need: a tokenizer, phrase lists, models.

    Raises:
        ConfigError: One cannot be read.
    """
    wanted = {} if profile is None else dict(profile.phrases)
    if params.tokenizer is not None:
        wanted[TOKENIZER] = params.tokenizer
    models = [*params.scorers, *(() if profile is None else (s.model for s in profile.scorers))]
    wanted |= {model: model for model in models if Path(model).is_file()}
    found = {}
    for name, path in wanted.items():
        if Path(path).exists() and not Path(path).is_file():
            raise ConfigError("is no file", path=path)
        try:
            with open(path, "rb") as file:
                found[name] = file.read(MOST_ASSET_BYTES + 1)
        except OSError as error:
            raise ConfigError(f"cannot be read ({error})", path=path) from error
        if len(found[name]) > MOST_ASSET_BYTES:
            raise ConfigError(f"is larger than {MOST_ASSET_BYTES >> 20} MiB", path=path)
    return found
