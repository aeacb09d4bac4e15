"""gRPC for Node, fetched by npm: a client that shares no line of code with the studio."""

from pathlib import Path

from tests import npm

PACKAGES = ("@grpc/grpc-js@1.14.7", "@grpc/proto-loader@0.8.1")


def fetch() -> Path:
    """Returns the folder whose `node_modules` has the packages.

    Raises:
      RuntimeError: npm is missing, or could not fetch them.
    """
    return npm.fetch(*PACKAGES)
