"""Profiles and recipes that the repository ships can be read by the code that it ships."""

from __future__ import annotations

from pathlib import Path

import pytest

from thresher.engines import ENGINES, make_engine
from thresher.engines.options import EngineOptions
from thresher.errors import ConfigError
from thresher.params import build, load_yaml
from thresher_jobs.convert_params import ConvertParams
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.profiles import chosen, load_profile
from thresher_jobs.recipe import load_recipe, typed_steps
from thresher_jobs.score_params import ScoreParams

ROOT = Path(__file__).parents[2]
PROFILES = sorted((ROOT / "cluster").glob("*.yaml"))
RECIPES = sorted((ROOT / "jobs" / "recipes").glob("dedup-*.yaml"))
CONVERSIONS = sorted((ROOT / "jobs" / "recipes").glob("convert-*.yaml"))
SCORES = sorted((ROOT / "jobs" / "recipes").glob("score-*.yaml"))
WHOLE = sorted((ROOT / "jobs" / "recipes").glob("run-*.yaml"))
NAMED = ("laptop", "workstation", "ray-local", "spark-local", "datacenter")


def profile(path: Path) -> EngineOptions:
    return build(EngineOptions, load_yaml(str(path)))


@pytest.mark.slow
@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_every_cluster_profile_makes_its_engine(path: Path) -> None:
    options = profile(path)
    if options.engine != "local":
        pytest.importorskip({"ray": "ray", "spark": "pyspark"}[options.engine])
    engine = make_engine(options)  # connects at its first stage, so nothing starts here
    assert engine.name == options.engine
    engine.close()


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_every_cluster_profile_says_what_it_is_for(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()
    assert first[0].startswith("# ")
    assert any(f"--cluster cluster/{path.name}" in line for line in first if line.startswith("#"))


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_a_profile_sets_only_what_its_engine_reads(path: Path) -> None:
    options, given = profile(path), load_yaml(str(path))
    assert set(given) & {"ray", "spark"} <= {options.engine}


@pytest.mark.parametrize("name", NAMED)
def test_every_profile_that_the_page_promises_is_there(name: str) -> None:
    assert ROOT / "cluster" / f"{name}.yaml" in PROFILES


def test_there_is_a_profile_for_every_engine() -> None:
    assert {profile(path).engine for path in PROFILES} == set(ENGINES)


def test_a_misspelt_field_of_a_profile_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'workers'"):
        build(EngineOptions, {"engine": "ray", "worker": 4})
    with pytest.raises(ConfigError, match="adress"):
        build(EngineOptions, {"engine": "ray", "ray": {"adress": "auto"}})


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_dedup_recipe_is_a_valid_set_of_parameters(path: Path) -> None:
    assert build(DedupParams, load_yaml(str(path))).compared


@pytest.mark.parametrize("path", CONVERSIONS, ids=lambda path: path.stem)
def test_every_convert_recipe_is_a_valid_set_of_parameters(path: Path) -> None:
    assert build(ConvertParams, load_yaml(str(path))).export


@pytest.mark.parametrize("path", SCORES, ids=lambda path: path.stem)
def test_every_score_recipe_is_a_valid_set_of_parameters(path: Path) -> None:
    params = build(ScoreParams, load_yaml(str(path)))
    assert chosen(load_profile(params.profile), params).rules


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
def test_every_whole_recipe_has_steps_that_can_be(path: Path) -> None:
    text = path.read_text()
    assert f"thresher run jobs/recipes/{path.name} --out" in text
    recipe = load_recipe(str(path))
    for step in typed_steps(recipe):
        if isinstance(step.params, ScoreParams):
            assert chosen(load_profile(step.params.profile), step.params).rules
    assert all(source.licence for source in recipe.sources)


def test_there_are_recipes_of_every_job_and_no_others() -> None:
    assert RECIPES and CONVERSIONS and SCORES and WHOLE
    recipes = sorted([*RECIPES, *CONVERSIONS, *SCORES, *WHOLE])
    assert sorted((ROOT / "jobs" / "recipes").iterdir()) == recipes


@pytest.mark.parametrize("path", [*RECIPES, *CONVERSIONS, *SCORES], ids=lambda path: path.stem)
def test_a_recipe_says_how_it_is_used(path: Path) -> None:
    job = path.name.split("-")[0]
    assert f"thresher {job} data/ --config jobs/recipes/{path.name}" in path.read_text()
