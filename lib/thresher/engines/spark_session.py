"""The settings of a Spark session and the words for its failures; nothing here loads pyspark.

What the user set wins over our defaults, and the profile wins over both. What a setting protects
from stands beside it.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import sys
import warnings
from collections.abc import Mapping
from urllib.parse import urlsplit

from thresher.engines.attempts import MEMORY_REMEDY, Order, too_often
from thresher.engines.options import EngineOptions
from thresher.errors import ConfigError, EngineError, ResourceError, ThresherError

REACH_SECONDS = 10.0
INSTALL = "pip install 'thresher[spark]'"
TASK_TRIES = "4"
DEFAULTS = {
    "spark.app.name": "thresher",
    "spark.task.maxFailures": TASK_TRIES,
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.python.worker.faulthandler.enabled": "true",  # a crash of native code says where
    "spark.python.daemon.module": "thresher.engines.spark_daemon",  # workers start in a fork's time
    "spark.shuffle.compress": "false",  # hashes do not shrink; a tenth of a run went into trying
    "spark.shuffle.spill.compress": "false",
    "spark.executorEnv.PYTHONHASHSEED": "0",
    "spark.ui.enabled": "false",  # it listens beyond loopback, without a password
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}
# Set for the time of a stage and then put back, because the session may be the user's own.
RUNTIME = {
    # A partition is a file, so nothing may be merged or split; an exchange takes 0.26 s beside its
    # work instead of 0.35 (2026-11-21).
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "1000",
    "spark.sql.execution.arrow.maxBytesPerBatch": str(64 << 20),
    "spark.sql.execution.arrow.useLargeVarTypes": "false",
}
HERE = {  # for Spark inside this process, or on this machine alone
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.authenticate": "true",
    "spark.network.crypto.enabled": "true",
}
_LOCAL = re.compile(r"local(?:\[(\d+|\*)(?:,\s*(\d+))?\])?$")
_LOCAL_CLUSTER = re.compile(r"local-cluster\[\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\]$")
_LOCAL_TASK_BYTES_MIB = 512  # heap and Arrow buffers of one task inside the driver


def accept_pandas() -> None:
    """Keep Spark from warning of pandas 3, of which it asks no more here than to be installed."""
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)


def settings(options: EngineOptions, known: Mapping[str, str]) -> dict[str, str]:
    """Return what a new session is to be set to.

    Args:
        options: The profile.
        known: What spark-submit and spark-defaults.conf have set.

    Raises:
        ConfigError: `workers` contradicts the master.
    """
    chosen = {**known, **options.spark.conf}
    master = options.spark.master or chosen.get("spark.master", "")
    master = _master(master, options) if _is_local(master) else master
    wanted = {**DEFAULTS, **_workers(master, options.workers, chosen)}
    if _is_here(master):
        wanted |= HERE
    if _LOCAL_CLUSTER.match(master):
        wanted["spark.authenticate.secret"] = secrets.token_hex(32)
    if match := _LOCAL.match(master):
        wanted["spark.driver.memory"] = f"{max(2048, _LOCAL_TASK_BYTES_MIB * int(match[1]))}m"
        # Our rows are megabytes, which G1 puts where only its rare collections look.
        wanted["spark.driver.extraJavaOptions"] = "-XX:+UseParallelGC"
    new = {name: value for name, value in wanted.items() if name not in chosen}
    return {**new, **options.spark.conf, "spark.master": master}


def _is_local(master: str) -> bool:
    return not master or _LOCAL.match(master) is not None


def _is_here(master: str) -> bool:
    return master.startswith("local")


def _master(master: str, options: EngineOptions) -> str:
    """Return a local master that tries a task again: without a number of tries it never does."""
    match = _LOCAL.match(master)
    given = match[1] if match else None
    if match and given is None:
        given = "1"
    if given in (None, "*"):
        given = str(options.resolved_workers())
    elif options.workers and int(given) != options.workers:
        raise _contradiction(master, options.workers)
    tries = match[2] if match and match[2] else TASK_TRIES
    return f"local[{given},{tries}]"


def _workers(master: str, workers: int, chosen: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that make Spark run so many tasks at once."""
    if not workers or _is_local(master):
        return {}
    if match := _LOCAL_CLUSTER.match(master):
        if int(match[1]) * int(match[2]) != workers:
            raise _contradiction(master, workers)
        return {}
    if master.startswith("spark:"):
        name, value = "spark.cores.max", workers
    else:  # Kubernetes and YARN count executors
        cores = int(chosen.get("spark.executor.cores", "1"))
        name, value = "spark.executor.instances", -(-workers // cores)
        if chosen.get("spark.dynamicAllocation.enabled") == "true":
            name = "spark.dynamicAllocation.maxExecutors"
    if name in chosen and chosen[name] != str(value):
        raise _contradiction(f"{name}={chosen[name]}", workers)
    return {name: str(value)}


def _contradiction(what: str, workers: int) -> ConfigError:
    return ConfigError(f"workers is {workers}, but Spark is set to {what}", remedy="drop one")


def no_workers(options: EngineOptions, what: str) -> None:
    """Refuse `workers` where others have decided how many there are.

    Raises:
        ConfigError: `workers` is set.
    """
    if options.workers:
        raise ConfigError(
            f"workers is {options.workers}, but {what} decides how many tasks run at once",
            remedy="drop workers",
        )


def prepare_environment(chosen: Mapping[str, str]) -> None:
    """Let the workers' Python be the driver's own, unless told otherwise."""
    python = chosen.get("spark.pyspark.python")
    if python:
        os.environ["PYSPARK_PYTHON"] = python
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if _is_here(chosen.get("spark.master", "local")):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")


def check_reachable(address: str) -> None:
    """Try to reach a master or a Connect server, since Spark's own clients try for minutes.

    Raises:
        EngineError: Nobody listens there.
    """
    places = _places(address)
    reasons = [reason for host, port in places if (reason := _refused(host, port))]
    if places and len(reasons) == len(places):
        raise EngineError(
            f"Spark at {address.partition(';')[0]} cannot be reached ({reasons[0]})",
            remedy="check the address and that it runs",
        )


def _places(address: str) -> list[tuple[str, int]]:
    """List the hosts and ports behind spark://, sc:// and k8s:// addresses."""
    kind, _, rest = address.partition("://")
    if kind not in ("spark", "sc", "k8s"):
        return []
    ports = {"spark": 7077, "sc": 15002, "k8s": 443}
    rest = rest.partition("://")[2] or rest
    places = []
    for place in rest.partition("/")[0].partition(";")[0].split(","):
        parts = urlsplit(f"//{place}")
        places.append((parts.hostname or "", parts.port or ports[kind]))
    return places


def _refused(host: str, port: int) -> str:
    try:
        socket.create_connection((host, port), REACH_SECONDS).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


_MEMORY = re.compile(
    r"\b137\b|OutOfMemory|OOMKilled|MemoryError|bad_alloc|Cannot allocate memory|"
    r"crashed|exited unexpectedly|ExecutorLostFailure"
)
_CAUSES = (  # what Spark says, what that means, what helps
    (
        r"No module named '([\w.]+)'",
        "the workers cannot import {0}",
        "give driver and workers one environment: --archives, an image, or the same Python "
        "(PYSPARK_PYTHON)",
    ),
    (
        r"PYTHON_VERSION_MISMATCH.*?([\d.]+\d).*?([\d.]+\d)",
        "the workers' Python is {0}, the driver's {1}",
        "set PYSPARK_PYTHON, or ship one environment with --archives",
    ),
    (
        r'Cannot run program "([^"]+)"',
        "the workers have no Python at {0}",
        "set PYSPARK_PYTHON to one that all nodes have, or ship one with --archives",
    ),
    (
        r"(UNAVAILABLE|StatusCode\.\w+|Connection refused|INVALID_HANDLE\.SESSION_\w+)",
        "the connection to Spark was lost ({0})",
        "run the same command again: finished work is kept",
    ),
    (
        r"(SparkContext was shut down|SparkContext has been shutdown|stopped SparkContext)",
        "Spark was stopped ({0})",
        "run the same command again: finished work is kept",
    ),
)


def explain(text: str, order: Order, finished: set[str]) -> ThresherError:
    """Return the error of ours for a Spark job that failed.

    Args:
        text: What Spark says, a Java and a Python trace included.
        order: Of the stage, for its starts.
        finished: Units that have a receipt, as `Order.starts` names them.
    """
    for pattern, message, remedy in _CAUSES:
        if match := re.search(pattern, text, re.DOTALL):
            return EngineError(
                f"stage {order.stage}: {message.format(*match.groups())}", remedy=remedy
            )
    if _MEMORY.search(text):
        starts = [(n, unit) for unit, n in order.starts().items() if unit not in finished]
        most, unit = max(starts, default=(0, ""))
        if most:
            kind, _, number = unit.partition("-")
            return too_often(f"{kind} {int(number)} of stage {order.stage}", most)
        return ResourceError(f"stage {order.stage}: {root_cause(text)}", remedy=MEMORY_REMEDY)
    return EngineError(
        f"Spark gave up stage {order.stage}: {root_cause(text)}",
        remedy="set THRESHER_DEBUG=1 to see all that Spark says",
    )


def root_cause(text: str) -> str:
    """Return the line of a trace that says most, in at most 300 characters."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [line for line in lines if line.startswith("Caused by:")]
    python = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b.*: ", line)]
    chosen = (causes or python or lines or ["no reason given"])[-1 if causes or python else 0]
    told = chosen.removeprefix("Caused by:").strip()[:300]
    return re.sub(r"(token=)[^;\s]+", r"\1...", told)  # of a Connect address
