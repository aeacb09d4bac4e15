"""Where Kubeflow Pipelines are, how to get in, and where to look at a run.

Light, so that a wrong address is refused before anything is imported. Secrets come from the environment or from a
file, never from the command line, where every user of a machine can read them.
"""

import ipaddress
import os
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from amadeus.errors import ConfigError

ENDPOINT_VARIABLE = "AMADEUS_KFP_ENDPOINT"
TOKEN_VARIABLE = "AMADEUS_KFP_TOKEN"
TOKEN_FILE_VARIABLE = "AMADEUS_KFP_TOKEN_FILE"
CA_VARIABLE = "AMADEUS_KFP_CA"
UI_VARIABLE = "KF_PIPELINES_UI_ENDPOINT"  # that of kfp's own client

# What is left of an address after it was copied from a browser: `/_/pipeline/` is where the dashboard frames the pages
# that live at `/pipeline/`.
_FRAMED = "/_/pipeline"
_PAGES = re.compile(r"(/apis(/v\w+)?)?/*$")
_TOKEN = re.compile(r"[!-~]+")


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An installation of Kubeflow Pipelines.

    Attributes:
      url: What `/apis/v2beta1` is appended to.
      token: What the API wants to see; empty: nothing. Never printed.
      token_path: A file that holds the token, read anew for each request, for a cluster exchanges it while a practice
        runs; None: there is none.
      ca_path: Authorities that may have signed its certificate, PEM; None: those that certifi knows.
      namespace: Of the user, where an installation has several; empty: the only one.
      ui_url: Where its pages are; empty: at `url`.
      insecure: Whether a token may travel to another machine without TLS.
    """

    url: str
    token: str = field(default="", repr=False)
    token_path: Path | None = None
    ca_path: Path | None = None
    namespace: str = ""
    ui_url: str = ""
    insecure: bool = False

    def read_token(self) -> str:
        """Reads the token as it is now; empty without one.

        Raises:
          ConfigError: The file cannot be read, or holds no token.
        """
        if self.token_path is None:
            return _check_token(self.token, TOKEN_VARIABLE) if self.token else ""
        try:
            token = self.token_path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise ConfigError(
                f"the token file {self.token_path} cannot be read ({reason}): name a text file that holds the token "
                "alone."
            ) from error
        return _check_token(token, str(self.token_path))

    def run_link(self, run_id: str) -> str:
        """Says where a run can be looked at."""
        return f"{self.ui_url or self.url}/#/runs/details/{run_id}"

    def schedule_link(self, recurring_run_id: str) -> str:
        """Says where a recurring run can be looked at."""
        return f"{self.ui_url or self.url}/#/recurringrun/details/{recurring_run_id}"

    def pipeline_link(self, pipeline_id: str, version_id: str) -> str:
        """Says where a version of a pipeline can be looked at."""
        pages = self.ui_url or self.url
        return f"{pages}/#/pipelines/details/{pipeline_id}/version/{version_id}"


def find_endpoint(
    url: str | None = None,
    *,
    token_path: Path | None = None,
    ca_path: Path | None = None,
    namespace: str = "",
    insecure: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> Endpoint:
    """Makes an endpoint of what was given, and of the environment for what was not.

    Raises:
      ConfigError: There is no address, it is none, a file cannot be read, there are two tokens, or one that others
        could read on its way.
    """
    chosen = url or environment.get(ENDPOINT_VARIABLE, "")
    if not chosen:
        raise ConfigError(
            f"no Kubeflow Pipelines were named: give --endpoint URL, such as https://kubeflow.example.com/pipeline, or "
            f"set {ENDPOINT_VARIABLE}."
        )
    token = environment.get(TOKEN_VARIABLE, "").strip()
    if token_path is None and (named := environment.get(TOKEN_FILE_VARIABLE)):
        token_path = Path(named)
    if token and token_path is not None:
        raise ConfigError(
            f"both {TOKEN_VARIABLE} and the token file {token_path} are given: choose one of them."
        )
    if ca_path is None and (named := environment.get(CA_VARIABLE)):
        ca_path = Path(named)
    if ca_path is not None and not ca_path.is_file():
        raise ConfigError(
            f"there is no file {ca_path} of authorities: name a PEM file with --ca, or leave it out."
        )
    endpoint = Endpoint(
        url=_clean(chosen),
        token=token,
        token_path=token_path,
        ca_path=ca_path,
        namespace=namespace,
        ui_url=_clean(environment.get(UI_VARIABLE, "") or chosen),
        insecure=insecure,
    )
    # A wrong file is refused before anything is done.
    if endpoint.read_token() and not insecure:
        _check_secret(endpoint.url)
    return endpoint


def is_loopback(host: str) -> bool:
    """Tells whether a host of a URL is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_secret(url: str) -> None:
    """Makes sure that a token shown at a URL is seen by nobody on the way."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ConfigError(
            f"{url} is on another machine and without TLS, where everybody on the way could read your token: name it "
            "with https://, reach it by `kubectl port-forward`, or say --insecure."
        )


def _clean(url: str) -> str:
    """Brings an address to the form that paths are appended to."""
    if (
        "@" in re.split(r"[?#]", url)[0]
    ):  # wherever it stands: a password may hold a slash
        raise ConfigError(
            "the address of Kubeflow Pipelines holds a name or a password, which would be printed with each link: put "
            f"a token into {TOKEN_VARIABLE} or a file instead."
        )
    try:
        parts = urllib.parse.urlsplit(url.strip())
        is_address = parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:  # a port beyond all, a bracket that does not close
        is_address = False
    if not is_address or not parts.hostname:
        raise ConfigError(
            f"{url!r} is no address of Kubeflow Pipelines: write it with http:// or https://, such as "
            "https://kubeflow.example.com/pipeline."
        )
    path = _PAGES.sub("", parts.path.replace(_FRAMED, "/pipeline"))
    return f"{parts.scheme}://{parts.netloc}{path}"


def _check_token(token: str, place: str) -> str:
    # What is wrong is said without the token.
    if not token:
        raise ConfigError(f"{place} is empty: put the token of your cluster into it.")
    if not _TOKEN.fullmatch(token):
        raise ConfigError(
            f"the token in {place} holds spaces or characters outside ASCII, and cannot travel in a header: put the "
            "token alone there."
        )
    return token
