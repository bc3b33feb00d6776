"""How often a property is tried: some times in every run, many more in the soak.

`-m soak` chooses the tests that are marked so and every property; `conftest` loads the profile.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings

USUAL = 40
MORE = 30

settings.register_profile("suite", deadline=None, max_examples=USUAL)  # a first call compiles
settings.register_profile("soak", deadline=None, max_examples=USUAL * MORE)


def load(profile: str) -> None:
    """Choose how often properties are tried; modules of tests that come later follow it."""
    settings.load_profile(profile)


def examples(count: int, **more: Any) -> settings:
    """Try a property on another number of examples, for what an example costs."""
    soak = settings.get_current_profile_name() == "soak"
    return settings(max_examples=count * MORE if soak else count, **more)
