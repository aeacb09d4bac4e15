"""A small server that holds every request to the published API of Kubeflow Pipelines, and plays runs scene by scene.

Whatever the API does not say is refused with 400, and remembered in `complaints`, which no test may leave behind.
Faults are switched on one by one. Runs move on when they are looked at, never with the clock.
"""

import contextlib
import datetime
import email.parser
import email.policy
import http.server
import io
import json
import re
import socket
import ssl
import struct
import threading
import urllib.parse
import uuid
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import json_format

from tests.pipelines.kubeflow import published_api
from tests.pipelines.kubeflow.played_runs import details, pod_of
from tests.pipelines.kubeflow.server_checks import (
    RefusedError,
    check_run,
    check_schedule,
    page_of,
    read_upload,
)

OPERATIONS = published_api.operations()
# Served beside the API that was published: logs by the API server, events by that of the pages.
_LOG = re.compile(r"/apis/v1alpha1/runs/([^/]+)/nodes/([^/]+)/log")
_EVENTS, _PAGE_LOG = "/k8s/pod/events", "/k8s/pod/logs"


@dataclass
class Fault:
    """What goes wrong, with which requests, and how often.

    Attributes:
      kind: `status`, `reset`, `html`, `cut`, `foreign` or `slow`.
      path: What the path has to match.
      times: How often.
      skip: How many requests pass before.
      is_done: Whether the request is done first, so that only its answer is lost.
    """

    kind: str
    path: str = ".*"
    method: str = ".*"
    times: int = 1
    skip: int = 0
    is_done: bool = False
    status: int = 500
    headers: dict = field(default_factory=dict)
    body: Any = None


class StandIn:
    """The server; `url` is its address."""

    def __init__(self, tls=None):
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.stand_in = self
        self._server.daemon_threads = True
        scheme = "http"
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True
            )
            scheme = "https"
        self.url = f"{scheme}://localhost:{self._server.server_address[1]}/pipeline"
        self.closing = threading.Event()
        self.lock = threading.RLock()
        self.clear()

    def clear(self):
        """Forgets everything."""
        self.token, self.is_multi_user = "", False
        self.experiments, self.runs, self.logs, self.events = {}, {}, {}, {}
        self.pipelines, self.versions, self.schedules = {}, {}, {}
        self.requests, self.complaints, self.faults, self.scenes = [], [], [], []
        self.live = None  # tells the scene of a run that really runs
        self._n_made = 0

    def __enter__(self):
        # The default polls for the end every half second.
        serve = lambda: self._server.serve_forever(poll_interval=0.02)  # noqa: E731
        threading.Thread(target=serve, daemon=True).start()
        return self

    def __exit__(self, *error):
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def asked(self, operation):
        """The bodies of all requests of an operation that were answered or lost."""
        return [body for name, body in self.requests if name == operation]

    def created_at(self):
        """A moment, each later than the last."""
        self._n_made += 1
        began = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        return (began + datetime.timedelta(seconds=self._n_made)).isoformat()

    # One method for each operation that is played; its name is that of the operation.

    def healthz_service_get_healthz(self, query):
        return {"multi_user": self.is_multi_user}

    def experiment_service_list_experiments(self, query):
        return page_of("experiments", self._mine(self.experiments, query), query)

    def experiment_service_create_experiment(self, query, body):
        if self.is_multi_user and not body.get("namespace"):
            raise RefusedError(400, "a namespace is missing")
        self._refuse_second(self.experiments, body)
        return self._keep(self.experiments, "experiment_id", body)

    def run_service_create_run(self, query, body):
        if body.get("experiment_id") not in self.experiments:
            raise RefusedError(404, f"no experiment {body.get('experiment_id')}")
        check_run(body)
        run = self._keep(self.runs, "run_id", {**body, "state": "PENDING"})
        run["experiment_id"] = body["experiment_id"]
        return _without_nothing(run)

    def run_service_get_run(self, query, run_id):
        run = self._find(self.runs, run_id)
        if run["state"] not in ("SUCCEEDED", "FAILED", "CANCELED"):
            self._move(run)
        return _without_nothing(run)

    def run_service_list_runs(self, query):
        place = query.get("experiment_id")
        if self.is_multi_user and not (place or query.get("namespace")):
            raise RefusedError(400, "a namespace is missing")
        runs = [r for r in self.runs.values() if place in (None, r["experiment_id"])]
        return page_of("runs", map(_without_nothing, runs), query)

    def run_service_terminate_run(self, query, run_id):
        run = self._find(self.runs, run_id)
        run["state"] = "CANCELED"
        return {}

    def pipeline_service_list_pipelines(self, query):
        return page_of("pipelines", self._mine(self.pipelines, query), query)

    def pipeline_service_get_pipeline_version(self, query, pipeline_id, version_id):
        return self._find(self.versions, version_id)

    def pipeline_service_create_pipeline(self, query, body):
        self._refuse_second(self.pipelines, body)
        return self._keep(self.pipelines, "pipeline_id", body)

    def pipeline_service_list_pipeline_versions(self, query, pipeline_id):
        self._find(self.pipelines, pipeline_id)
        versions = [
            v for v in self.versions.values() if v["pipeline_id"] == pipeline_id
        ]
        return page_of("pipeline_versions", versions, query)

    def upload_pipeline_version(self, query, files):
        self._find(self.pipelines, query["pipelineid"])
        version = {
            "pipeline_id": query["pipelineid"],
            "display_name": query["name"],
            "description": query.get("description", ""),
            "pipeline_spec": read_upload(files["uploadfile"]),
        }
        self._refuse_second(self.versions, version)
        return self._keep(self.versions, "pipeline_version_id", version)

    def recurring_run_service_create_recurring_run(self, query, body):
        if body.get("experiment_id") not in self.experiments:
            raise RefusedError(404, f"no experiment {body.get('experiment_id')}")
        check_schedule(body)
        if reference := body.get("pipeline_version_reference"):
            self._find(self.versions, reference["pipeline_version_id"])
        else:
            check_run(body)
        schedule = self._keep(self.schedules, "recurring_run_id", body)
        schedule["status"] = f"{body['mode']}D"
        return schedule

    def recurring_run_service_list_recurring_runs(self, query):
        place = query.get("experiment_id")
        found = [
            s for s in self.schedules.values() if place in (None, s["experiment_id"])
        ]
        return page_of("recurringRuns", found, query)

    def recurring_run_service_get_recurring_run(self, query, recurring_run_id):
        return self._find(self.schedules, recurring_run_id)

    def recurring_run_service_delete_recurring_run(self, query, recurring_run_id):
        self._find(self.schedules, recurring_run_id)
        del self.schedules[recurring_run_id]
        return {}

    def recurring_run_service_disable_recurring_run(self, query, recurring_run_id):
        self._find(self.schedules, recurring_run_id)["status"] = "DISABLED"
        return {}

    def recurring_run_service_enable_recurring_run(self, query, recurring_run_id):
        self._find(self.schedules, recurring_run_id)["status"] = "ENABLED"
        return {}

    def _move(self, run):
        if self.live is not None:
            scene = self.live(run)
        elif self.scenes:
            scene = self.scenes.pop(0)
        else:
            return
        run["state"] = scene.state
        tasks = run.setdefault("played", {})
        tasks.update(scene.tasks)
        run["run_details"] = {"task_details": list(details(run, tasks))}
        self.logs.update({pod_of(run, name): log for name, log in scene.logs.items()})
        self.events.update(
            {pod_of(run, name): text for name, text in scene.events.items()}
        )
        if scene.does is not None:
            scene.does(run)

    def _mine(self, things, query):
        place = query.get("namespace", "")
        return [t for t in things.values() if t.get("namespace", "") == place]

    def _keep(self, things, key, body):
        thing = {**body, key: str(uuid.uuid4()), "created_at": self.created_at()}
        things[thing[key]] = thing
        return thing

    def _refuse_second(self, things, body):
        name = body.get("display_name")
        if not name:
            raise RefusedError(400, "a name is missing")
        place = [body.get(key) for key in ("namespace", "pipeline_id")]
        for thing in things.values():
            if thing["display_name"] == name and place == [
                thing.get(key) for key in ("namespace", "pipeline_id")
            ]:
                raise RefusedError(409, f"{name} exists already")

    def _find(self, things, key):
        if key not in things:
            raise RefusedError(404, f"{key} not found")
        return things[key]


def _without_nothing(run):
    return {key: value for key, value in run.items() if key != "played"}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece; in two, the second waits for a delayed ACK

    def do_GET(self):
        self._serve()

    do_POST = do_DELETE = do_PUT = do_PATCH = do_GET

    def log_message(self, *_):
        pass

    def _serve(self):
        stand_in = self.server.stand_in
        length = int(self.headers.get("Content-Length", 0))
        data = self.rfile.read(length)
        with stand_in.lock:
            fault = self._fault(stand_in)
            if fault is None or fault.is_done:
                status, answer = self._answer(stand_in, data)
        if fault is None:
            self._send(status, answer)
        else:
            self._fail(fault, stand_in)

    def _fault(self, stand_in):
        for fault in stand_in.faults:
            if re.search(fault.path, self.path) and re.fullmatch(
                fault.method, self.command
            ):
                if fault.skip:
                    fault.skip -= 1
                elif fault.times:
                    fault.times -= 1
                    return fault
        return None

    def _fail(self, fault, stand_in):
        if fault.kind == "status":
            text = {"code": 13, "message": "it is broken", "details": []}
            body = text if fault.body is None else fault.body
            self._send(fault.status, body, fault.headers)
        elif fault.kind == "html":
            self._send(200, "<!doctype html>", {"Content-Type": "text/html"})
        elif fault.kind == "cut":
            self._send(200, '{"run_id": "abc', {"Content-Type": "application/json"})
        elif fault.kind == "foreign":
            self._send(200, {"runs": "many"})
        else:
            if fault.kind == "slow":
                stand_in.closing.wait(60)
            self._reset()

    def _answer(self, stand_in, data):
        parts = urllib.parse.urlsplit(self.path)
        path = parts.path.removeprefix("/pipeline")
        query = dict(urllib.parse.parse_qsl(parts.query))
        expected = f"Bearer {stand_in.token}"
        if stand_in.token and self.headers.get("authorization") != expected:
            words = "Unauthenticated: the token has expired"
            return 401, {"error": words, "code": 16, "message": words, "details": []}
        found = _LOG.fullmatch(path)
        if found or path == _PAGE_LOG:
            log = stand_in.logs.get(found[2] if found else query["podname"])
            return (500, {"error_message": "no log"}) if log is None else (200, log)
        if path == _EVENTS:
            text = stand_in.events.get(query["podname"])
            items = [{"type": "Warning", "reason": "Failed", "message": text}]
            return 200, {"items": items if text else []}
        try:
            return 200, _perform(stand_in, self, path, query, data)
        except RefusedError as error:
            status = error.status
            words = str(error)
        except (
            published_api.UnknownFieldError,
            json_format.ParseError,
            KeyError,
        ) as error:
            status, words = 400, f"{type(error).__name__}: {error}"
            stand_in.complaints.append(f"{self.command} {self.path}: {words}")
        return status, {"error": words, "code": 3, "message": words, "details": []}

    def _send(self, status, answer, headers=None):
        kind = "application/json"
        if isinstance(answer, dict):
            answer = json.dumps(answer)
        else:
            kind = "text/plain"
        data = answer if isinstance(answer, bytes) else answer.encode()
        self.send_response(status)
        for key, value in {"Content-Type": kind, **(headers or {})}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(data)

    def _reset(self):
        """Ends the connection as a machine does that has lost its memory."""
        self.connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.close_connection = True
        self.rfile.close()
        self.wfile.close()
        self.connection.close()
        self.wfile = io.BytesIO()  # is flushed once more


def _perform(stand_in, handler, path, query, data):
    """Holds a request to the operation it means, does it, and holds the answer to it, too."""
    for operation in OPERATIONS.values():
        found = operation.path.fullmatch(path)
        if found is None or operation.method != handler.command:
            continue
        if unknown := set(query) - operation.query:
            raise published_api.UnknownFieldError(
                f"{operation.name} asks for no {unknown}"
            )
        arguments = list(map(urllib.parse.unquote, found.groups()))
        told = None
        if operation.files:
            told = _read_form(handler.headers["Content-Type"], data)
            _check_names(set(told), operation.files)
            arguments.append(told)
        elif operation.body:
            told = json.loads(data)
            published_api.check(operation.body, told)
            arguments.append(told)
        elif data not in (b"", b"null"):
            raise published_api.UnknownFieldError(f"{operation.name} takes no body")
        stand_in.requests.append((operation.name, told))
        play = getattr(stand_in, operation.name, None)
        if play is None:
            raise published_api.UnknownFieldError(f"{operation.name} is not played")
        answer = play(query, *arguments)
        published_api.check(operation.response, answer)
        return answer
    raise published_api.UnknownFieldError(f"there is no {handler.command} {path}")


def _check_names(given, published):
    if given != published:
        raise published_api.UnknownFieldError(f"a form of {given}, not {published}")


def _read_form(kind, data):
    head = f"Content-Type: {kind}\r\n\r\n".encode()
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    return {
        part.get_param("name", header="content-disposition"): part.get_payload(
            decode=True
        )
        for part in parser.parsebytes(head + data).iter_parts()
    }
