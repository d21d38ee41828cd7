"""What the real parts can't be made to do: a service whose API tokens run out at will, an exporter that is broken inside."""

import base64
import json
import threading
import time
import urllib.parse
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Fake:
    """An HTTP server on a free port; `with` ends it."""

    def __enter__(self):
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                status, kind, text = fake.reply(self.path.partition("?")[0], body, self.headers)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def reply(self, path, body, headers):
        """Status, content type and body for a request."""
        return 200, *self.answer(path, body)

    def answer(self, path, body):
        """Content type and body for a request that is always good."""
        raise NotImplementedError


class Service(Fake):
    """The service with API tokens whose end is known by their value; no organization has an invitation."""

    # Of an access token, in seconds.
    lifetime = 1800

    def __init__(self):
        self.expirations = {}

    def answer(self, path, body):
        if path.endswith(("/api-tokens/authorize", "/auth/token")):
            found = {"access_token": "fake", "expires_in": self.lifetime, "token_type": "bearer"}
        elif path.endswith("/api-tokens/details"):
            found = {"expiresAt": self.expirations[json.loads(body)["tokenValue"]]}
        elif path.endswith("/invitations"):
            found = []
        else:
            found = {"displayName": "Fake", "refLink": path}
        return "application/json", json.dumps(found)


class RotatedService(Service):
    """The service with an API token and an OAuth app whose secrets change; an access token is good for a moment."""

    lifetime = 1

    def __init__(self):
        self.expirations = defaultdict(lambda: time.time() + 90 * 86400)
        self._lock, self._good, self._used = threading.Lock(), set(), Counter()

    def accept(self, *secrets):
        """These are good from now on, and no others."""
        with self._lock:
            self._good = set(secrets)

    def used(self, secret):
        """How often an access token was had for a secret."""
        with self._lock:
            return self._used[secret]

    def reply(self, path, body, headers):
        if path.endswith("/api-tokens/details"):
            secret = json.loads(body)["tokenValue"]
        elif path.endswith("/api-tokens/authorize"):
            secret = urllib.parse.parse_qs(body)["api_token"][0]
        elif path.endswith("/auth/token"):
            secret = base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode().partition(":")[2]
        else:
            return super().reply(path, body, headers)
        with self._lock:
            if secret not in self._good:
                return 400, "application/json", "{}"
            self._used[secret] += not path.endswith("/details")
        return super().reply(path, body, headers)


class BrokenExporter(Fake):
    """The two families that say that an exporter is broken inside."""

    job = "csp-invitations-broken"

    def __init__(self):
        self.panics, self.stalled_at = 0, None

    def answer(self, path, body):
        return "text/plain; version=0.0.4", (
            "# TYPE csp_exporter_panics_total counter\n"
            f"csp_exporter_panics_total {self.panics}\n"
            "# TYPE csp_exporter_scheduler_heartbeat_timestamp_seconds gauge\n"
            f"csp_exporter_scheduler_heartbeat_timestamp_seconds {self.stalled_at or time.time()}\n")


class Receiver(Fake):
    """Alertmanager's webhook: remembers when each alert fired and resolved, for the first and for the last time."""

    def __init__(self):
        self._changed = threading.Condition()
        self._seen = []

    def answer(self, path, body):
        now = time.monotonic()
        with self._changed:
            self._seen += [(now, alert["status"], alert["labels"]) for alert in json.loads(body)["alerts"]]
            self._changed.notify_all()
        return "text/plain", ""

    def seen(self, status="firing"):
        """Time and labels of every notification of this status so far."""
        with self._changed:
            return [(at, labels) for at, what, labels in self._seen if what == status]

    def wait(self, status, labels, since, seconds):
        """When a notification of this status and these labels came after `since`; nothing if it did not in time."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                for at, what, found in self._seen:
                    if at >= since and what == status and labels.items() <= found.items():
                        return at
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)
