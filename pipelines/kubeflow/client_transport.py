"""One exchange with the API of Kubeflow Pipelines: in time, with a token, and with an answer that is one.

The generated client (kfp-server-api) writes and reads the messages. This takes the place of its own transport, which
waits for ever, and fails in twenty ways that nobody has put into words. It sends each request once: what may be sent
again is for those to say who know what it does (`client_patience.py`).
"""

import contextlib
import email.utils
import json
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import urllib3
from kfp_server_api import ApiClient, ApiException, Configuration, rest

from amadeus.errors import ClusterError
from pipelines.kubeflow.client_endpoint import (
    TOKEN_FILE_VARIABLE,
    TOKEN_VARIABLE,
    Endpoint,
    is_loopback,
)

TIMEOUT_S = (10.0, 60.0)  # to connect; between two bytes
_PIECE_BYTES = 2**16
_QUOTED = 300  # characters of a server's own words
_PASSING = {408, 429, 500, 502, 503, 504}
_REDIRECTS = range(300, 400)
# Raised before a single byte was sent.
_UNSENT = (urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.SSLError)


def open_api(
    endpoint: Endpoint, *, timeout_s: tuple[float, float] = TIMEOUT_S
) -> ApiClient:
    """Makes a client of the generated API; nothing is sent before the first call.

    Args:
      endpoint: Where, and how to get in.
      timeout_s: How long to wait for a connection, and for each byte of an answer.
    """
    configuration = Configuration(host=endpoint.url)
    configuration.ssl_ca_cert = str(endpoint.ca_path) if endpoint.ca_path else None
    configuration.proxy = _find_proxy(endpoint.url)
    configuration.retries = False  # nor are redirects followed
    api = ApiClient(configuration)
    api.rest_client = Transport(endpoint, configuration, timeout_s)
    api.user_agent = "amadeus"
    return api


class Transport(rest.RESTClientObject):
    """Sends a request, and hands out an answer in JSON or raises a ClusterError.

    Attributes:
      was_heard: Whether Kubeflow Pipelines have ever answered.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        configuration: Configuration,
        timeout_s: tuple[float, float],
    ) -> None:
        super().__init__(configuration)
        self.was_heard = False
        self._endpoint, self._timeout_s = endpoint, timeout_s

    def request(
        self,
        method: str,
        url: str,
        query_params: Any = None,
        headers: dict[str, str] | None = None,
        body: Any = None,
        post_params: Any = None,
        _preload_content: bool = True,
        _request_timeout: Any = None,
    ) -> rest.RESTResponse:
        """Sends one request, once.

        Raises:
          ClusterError: There was no answer in time, or it was a refusal, or no answer of Kubeflow Pipelines.
          ConfigError: The token cannot be read.
        """
        try:
            response = super().request(
                method,
                url,
                query_params=query_params,
                headers={**(headers or {}), **self._authorization()},
                body=body,
                post_params=post_params,
                _request_timeout=self._timeout_s,
            )
        except ApiException as error:
            raise self._refused(error) from None
        except urllib3.exceptions.HTTPError as error:
            raise self._lost(error) from error
        if not _is_json(response.data):
            raise self._foreign(response.data)
        self.was_heard = True
        return response

    def read_beside(self, path: str, kind: str, max_bytes: int) -> bytes | None:
        """Reads what is served beside the published API; None where it is not to be had.

        Args:
          path: Below the address of the installation.
          kind: Content type it has to have: pages answer to any path.
          max_bytes: Where to stop.

        Raises:
          ConfigError: The token cannot be read.
        """
        with self.open_beside(path, kind) as pieces:
            if pieces is None:
                return None
            found = b""
            for piece in pieces:
                found += piece
                if len(found) >= max_bytes:
                    break
            return found[:max_bytes]

    @contextlib.contextmanager
    def open_beside(self, path: str, kind: str) -> Iterator[Iterator[bytes] | None]:
        """Opens what is served beside the published API, such as a log, and hands it out piece by piece.

        Args:
          path: Below the address of the installation.
          kind: Content type it has to have: pages answer to any path.

        Yields:
          Its pieces, which end early where the connection does; None where it is not to be had.

        Raises:
          ConfigError: The token cannot be read.
        """
        timeout = urllib3.Timeout(connect=self._timeout_s[0], read=self._timeout_s[1])
        try:
            response = self.pool_manager.request(
                "GET",
                self._endpoint.url + path,
                headers=self._authorization(),
                preload_content=False,
                timeout=timeout,
            )
        except urllib3.exceptions.HTTPError:
            yield None
            return
        try:
            told = response.headers.get("Content-Type", "")
            is_it = response.status == 200 and told.startswith(kind)
            yield _pieces(response) if is_it else None
        finally:
            response.close()  # what was not read is not wanted

    def _authorization(self) -> dict[str, str]:
        token = self._endpoint.read_token()
        return {"authorization": f"Bearer {token}"} if token else {}

    def _lost(self, error: urllib3.exceptions.HTTPError) -> ClusterError:
        return ClusterError(
            f"Kubeflow Pipelines at {self._endpoint.url} cannot be reached ({_word(error)}): check --endpoint, the "
            "network and whether the cluster is up.",
            # An address that never was one is not waited for.
            is_passing=self.was_heard or not isinstance(error, _UNSENT),
            is_undone=isinstance(error, _UNSENT),
        )

    def _refused(self, error: ApiException) -> ClusterError:
        status, url = error.status, self._endpoint.url
        if not status:  # TLS, as the generated client says it
            return ClusterError(
                f"the certificate of {url} is not trusted ({_clip(error.reason)}): name its authorities with --ca.",
                is_undone=True,
            )
        if status in _REDIRECTS:
            return self._foreign(b"")
        words = _read_words(error.body)
        self.was_heard = self.was_heard or bool(words)
        said = words or f"{status} {error.reason or ''}".strip()
        return ClusterError(
            _sentence(self._endpoint, status, said),
            status=status,
            is_passing=status in _PASSING,
            is_undone=status < 500 and status != 408,
            wait_s=_wait_s((error.headers or {}).get("Retry-After", "")),
        )

    def _foreign(self, data: bytes) -> ClusterError:
        seen = _clip(data.decode(errors="replace")) or "another page"
        return ClusterError(
            f"{self._endpoint.url} answered with no answer of Kubeflow Pipelines ({seen}): if that is a page to log "
            f"in, put a token into {TOKEN_VARIABLE} or name its file with --token-file; if not, check --endpoint."
        )


def _pieces(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    with contextlib.suppress(urllib3.exceptions.HTTPError):
        yield from response.stream(_PIECE_BYTES)


def _find_proxy(url: str) -> str | None:
    """Finds the proxy that the environment names for an address, as other programs do; None: straight there."""
    parts = urllib.parse.urlsplit(url)
    if is_loopback(parts.hostname or "") or urllib.request.proxy_bypass(parts.netloc):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def _sentence(endpoint: Endpoint, status: int, said: str) -> str:
    url = endpoint.url
    if status == 401:
        return (
            f"Kubeflow Pipelines at {url} do not let you in ({said}): the token is missing or has expired; put a new "
            f"one into {TOKEN_VARIABLE}, or into a file that --token-file or {TOKEN_FILE_VARIABLE} names."
        )
    if status == 403:
        place = f"namespace {endpoint.namespace}" if endpoint.namespace else "there"
        return (
            f"Kubeflow Pipelines at {url} do not let you do this ({said}): ask for the rights {place}, name another "
            "namespace with --namespace, or a token that has them."
        )
    if status == 404 and said.startswith("404"):
        return f"there are no Kubeflow Pipelines at {url} (404): check --endpoint, which often ends in /pipeline."
    if status == 429:
        return f"Kubeflow Pipelines at {url} are asked too much at the moment ({said}): try again a little later."
    if status >= 500:
        return (
            f"Kubeflow Pipelines at {url} have a fault ({said}): try again a little later, or ask those who run the "
            "cluster."
        )
    return f"Kubeflow Pipelines at {url} refused ({status}): {said}"


def _read_words(body: Any) -> str:
    """Finds what Kubeflow Pipelines say of an error; empty where it is not they who speak."""
    try:
        told = json.loads(body or b"")
    except ValueError:
        return ""
    if not isinstance(told, dict):
        return ""
    # By gRPC's gateway, by the upload server, by older gateways.
    words = (told.get(key) for key in ("message", "error_message", "error"))
    return next((_clip(word) for word in words if isinstance(word, str) and word), "")


def _is_json(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data), dict)
    except ValueError:
        return False


def _wait_s(header: str) -> float:
    """Reads Retry-After: seconds, or a date."""
    if header.strip().isdecimal():
        return float(header)
    moment = email.utils.parsedate_tz(header) if header else None
    return max(0.0, email.utils.mktime_tz(moment) - time.time()) if moment else 0.0


def _word(error: urllib3.exceptions.HTTPError) -> str:
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return "no machine has this name"
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return "nobody listens there"
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return "no answer in time"
    return _clip(str(error)) or type(error).__name__


def _clip(text: Any) -> str:
    """Brings foreign words to one short line that no terminal is moved by."""
    line = " ".join(str(text).split())
    plain = "".join(letter if letter.isprintable() else "?" for letter in line)
    return plain if len(plain) <= _QUOTED else plain[:_QUOTED] + "..."
