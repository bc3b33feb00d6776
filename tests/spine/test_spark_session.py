"""What Spark is told holds no secret where others can read it."""

from __future__ import annotations

import socket

import pytest

from thresher.engines.options import EngineOptions
from thresher.engines.spark_session import check_reachable, root_cause, settings
from thresher.errors import ConfigError, EngineError
from thresher.params import build


def profile(workers: int = 0, **spark: object) -> EngineOptions:
    return build(EngineOptions, {"engine": "spark", "workers": workers, "spark": spark})


def test_the_token_of_a_connect_address_is_in_no_message() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with pytest.raises(EngineError) as caught:
        check_reachable(f"sc://127.0.0.1:{port}/;token=very-secret;use_ssl=true")
    assert f"sc://127.0.0.1:{port}/" in str(caught.value)
    assert "very-secret" not in str(caught.value)
    assert "very-secret" not in root_cause("failed to reach sc://h:1/;token=very-secret;x=1")


def test_authentication_is_on_and_the_page_is_off_by_default() -> None:
    chosen = settings(profile(2), {})
    assert chosen["spark.authenticate"] == "true"
    assert chosen["spark.network.crypto.enabled"] == "true"
    assert chosen["spark.ui.enabled"] == "false"
    assert chosen["spark.master"] == "local[2,4]"


def test_what_the_user_set_wins_over_our_defaults_and_the_profile_over_both() -> None:
    known = {"spark.log.level": "INFO", "spark.task.maxFailures": "7"}
    chosen = settings(profile(conf={"spark.task.maxFailures": "9"}), known)
    assert "spark.log.level" not in chosen
    assert chosen["spark.task.maxFailures"] == "9"


def test_workers_that_contradict_the_master_are_refused() -> None:
    with pytest.raises(ConfigError):
        settings(profile(3, master="local[2]"), {})
    assert settings(profile(6, master="spark://h:7077"), {})["spark.cores.max"] == "6"
