"""A server that speaks S3, on this machine, in a process of its own: moto's.

It is ended by its handle: it lives until its standard input closes.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# moto honours `If-None-Match: *`, but it looks first and puts then: of 1500 names that 8 clients
# put at once, one had two winners (moto 5.2.5, 2026-11-21). S3 itself decides in one step, and so
# does this: one PUT after the other.
SERVE = """
import logging, sys, threading
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
logging.getLogger("werkzeug").setLevel(logging.ERROR)
app, lock = DomainDispatcherApplication(create_backend_app), threading.Lock()
def serial(environ, start):
    if environ["REQUEST_METHOD"] != "PUT":
        return app(environ, start)
    with lock:
        return app(environ, start)
server = make_server("127.0.0.1", 0, serial, threaded=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("http://%s:%d" % server.server_address[:2], flush=True)
sys.stdin.read()
"""
BUCKET = "thresher-tests"
ACCESS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "NO_PROXY": "127.0.0.1",
}


@contextmanager
def serving() -> Iterator[str]:
    """Run a server with one empty bucket; yields its address."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        endpoint = process.stdout.readline().strip()
        assert endpoint.startswith("http://127.0.0.1:"), "the server did not start"
        _make_bucket(endpoint)
        yield endpoint
    finally:
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _make_bucket(endpoint: str) -> None:
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    client.create_bucket(Bucket=BUCKET)
    client.close()
