"""How long `/healthz` takes while something else goes on; asked by a process of its own (`health.py PORT:plain|tls...`)."""

import asyncio
import contextlib
import http.client
import json
import os
import signal
import ssl
import statistics
import subprocess
import sys
import time


class Target:
    """A server's address, and how it is spoken to."""

    def __init__(self, port, tls):
        self.port, self.tls = port, tls
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"

    def context(self, protocol):
        if not self.tls:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols([protocol])
        return context

    async def open(self, protocol="http/1.1"):
        return await asyncio.wait_for(asyncio.open_connection("127.0.0.1", self.port, ssl=self.context(protocol), limit=1 << 22), 30)

    def get(self, path):
        """The status, over a connection of its own."""
        if self.tls:
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=self.context("http/1.1"))
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            return answer.status


class Watch:
    def __init__(self, *targets):
        words = [f"{target.port}:{'tls' if target.tls else 'plain'}" for target in targets]
        self.process = subprocess.Popen([sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True, preexec_fn=lambda: priority(-10))
        self.process.stdout.readline()

    def end(self):
        """For each target how long health took, in words."""
        self.process.send_signal(signal.SIGTERM)
        found = json.loads(self.process.stdout.read())
        self.process.wait()
        def words(took, failures):
            tail = f", {len(failures)} FAILED: {sorted(set(map(str, failures)))}" if failures else ""
            return f"{statistics.median(took):.1f} / {sorted(took)[len(took) * 99 // 100]:.0f} / {max(took):.0f} ms{tail}"
        return [words(*one) for one in zip(found["took"], found["failures"])]


def watch(addresses):
    """Asks for health until SIGTERM, then prints how long that took."""
    over = []
    signal.signal(signal.SIGTERM, lambda *_: over.append(True))
    targets = [Target(int(port), tls == "tls") for port, tls in (one.split(":") for one in addresses)]
    took, failures = [[] for _ in targets], [[] for _ in targets]
    print("asks", flush=True)
    parent = os.getppid()
    while not over and os.getppid() == parent:
        begin = time.monotonic()
        for number, target in enumerate(targets):
            start = time.perf_counter()
            try:
                status = target.get("/healthz")
            except (OSError, http.client.HTTPException) as error:
                status = type(error).__name__
            took[number].append((time.perf_counter() - start) * 1000)
            if status != 200:
                failures[number].append(status)
        time.sleep(max(0, 0.05 - (time.monotonic() - begin)))
    print(json.dumps({"took": took, "failures": failures}))


def priority(value):
    """How nice this process is from now on; less than before takes root."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, value)


if __name__ == "__main__":
    watch(sys.argv[1:])
