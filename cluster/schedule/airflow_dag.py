"""Every night from Airflow (3 or later): one task, tried again only where that may help.

Put the file into Airflow's folder of DAGs. `thresher` is looked up on the worker's PATH; set the
Airflow variables `thresher_recipe` and `thresher_store` to move what is below. Alerts go the way
that your deployment sends them for a failed task; the message begins with the exit code.
"""

from __future__ import annotations

import subprocess
from collections import deque
from datetime import UTC, datetime, timedelta

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException

RECIPE = "{{ var.value.get('thresher_recipe', '/etc/thresher/nightly.yaml') }}"
STORE = "{{ var.value.get('thresher_store', '/srv/thresher/store') }}"
MAY_PASS = {5: "engine not available", 6: "out of memory or disk", 7: "storage or permission"}
WHY = {2: "wrong configuration", 3: "bad or changed input", 4: "a limit passed", 70: "a bug"}


@task(retries=2, retry_delay=timedelta(minutes=15), execution_timeout=timedelta(hours=20))
def rebuild(recipe: str, store: str) -> None:
    """Run one night. What a person has to change fails at once, the rest is tried again."""
    command = ["thresher", "rebuild", recipe, "--store", store, "--json-logs"]
    last: deque[str] = deque(maxlen=5)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            for line in process.stdout or ():
                print(line, end="")
                last.append(line.strip())
        except BaseException:  # a task that is stopped stops its run, which can be resumed
            process.terminate()
            raise
    code = process.returncode
    if code:
        why = MAY_PASS.get(code) or WHY.get(code) or "stopped or killed"
        told = f"exit {code}, {why}: {' | '.join(last)}"
        raise (AirflowFailException if code in WHY else AirflowException)(told)


@dag(
    schedule="30 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["thresher"],
)
def thresher_rebuild() -> None:
    """Rebuild a data set from what is new."""
    rebuild(RECIPE, STORE)


thresher_rebuild()
