#!/usr/bin/env python3
"""How long the exporter takes from exec to the first 200 of /metrics, and how large it is.

    EXPORTER_BINARY=target/dist/csp-invitations-exporter tests/perf/start.py [ORGANIZATIONS...]

Nothing answers the polls: what is measured is the start alone.
"""

import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

import scrape

TURNS = 15
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"


def start(folder, port):
    """Wall time and CPU time until the whole answer has come, in milliseconds."""
    begin = time.perf_counter()
    exporter = subprocess.Popen([scrape.BINARY, f"--config.file={folder / 'config.yaml'}",
                                 f"--web.listen-address=127.0.0.1:{port}"], stderr=subprocess.DEVNULL)
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port))
            break
        except OSError:
            time.sleep(0.0005)
    with connection:
        connection.sendall(REQUEST)
        answer = connection.makefile("rb").read()
    took = time.perf_counter() - begin
    cpu = scrape.cpu_seconds(exporter.pid)
    assert answer.startswith(b"HTTP/1.1 200"), answer[:100]
    exporter.send_signal(signal.SIGKILL)
    exporter.wait()
    return took * 1000, cpu * 1000


def measure(organizations):
    with tempfile.TemporaryDirectory() as name:
        folder, port = pathlib.Path(name), scrape.free_port()
        variables = {"CSP_URL": f"http://127.0.0.1:{scrape.free_port()}", "CSP_CLIENT_ID": "id", "CSP_CLIENT_SECRET": "secret"}
        ids = [str(uuid.uuid4()) for _ in range(organizations)]
        scrape.configure(folder, variables.__getitem__, ids, api="requests_per_second: 0", interval="1h")
        walls, cpus = zip(*(start(folder, port) for _ in range(TURNS)))
        scrape.show(f"{organizations} organizations: first 200 of /metrics", walls, " ms")
        scrape.show(f"{organizations} organizations: CPU until then", cpus, " ms")


if __name__ == "__main__":
    print(f"binary: {pathlib.Path(scrape.BINARY).stat().st_size / 1024 / 1024:.2f} MiB")
    for count in map(int, sys.argv[1:] or ["1", "100", "1000", "10000"]):
        measure(count)
