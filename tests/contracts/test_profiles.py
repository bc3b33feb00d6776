"""Profiles and recipes that the repository ships can be read by the code that it ships."""

from __future__ import annotations

from pathlib import Path

import pytest

from thresher.engines import make_engine
from thresher.engines.options import EngineOptions
from thresher.params import build, load_yaml
from thresher_jobs.dedup_params import DedupParams

ROOT = Path(__file__).parents[2]
PROFILES = sorted((ROOT / "cluster").glob("*.yaml"))
RECIPES = sorted((ROOT / "jobs" / "recipes").glob("dedup-*.yaml"))


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_every_cluster_profile_makes_an_engine(path: Path) -> None:
    assert make_engine(build(EngineOptions, load_yaml(str(path)))).workers >= 1


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_dedup_recipe_is_a_valid_set_of_parameters(path: Path) -> None:
    assert build(DedupParams, load_yaml(str(path))).compared


def test_there_are_profiles_and_recipes() -> None:
    assert PROFILES
    assert RECIPES
