#!/usr/bin/env python3
"""What a scrape costs, measured side by side with nginx serving the same bytes and with node_exporter.

    EXPORTER_BINARY=target/dist/csp-invitations-exporter tests/perf/scrape.py [ROUNDS]

Needs nginx, wrk and prometheus-node-exporter. Every figure is taken in turns (A B A B …), so that the ratios hold
when the machine's speed drifts; printed are the median and the spread. Everything listens on loopback.
"""

import gzip
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

BINARY = os.environ.get("EXPORTER_BINARY", "target/dist/csp-invitations-exporter")
#: How often each figure is taken: as often as the first argument says, where this script runs and is not imported.
ROUNDS = int(sys.argv[1]) if __name__ == "__main__" and len(sys.argv) > 1 else 5
SECONDS = 3
GZIP = ("gzip", {"Accept-Encoding": "gzip"})
PLAIN = ("plain", {"Accept-Encoding": "identity"})


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url, headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
        return answer.read()


def wait_until(condition, what, seconds=60, pause=0.05):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return
        except OSError:
            pass
        time.sleep(pause)
    sys.exit(f"gave up waiting for {what}")


def cpu_seconds(pid):
    """Time on a CPU of all threads, in the scheduler's own nanoseconds: ticks are too coarse for a few scrapes."""
    threads = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def requests_per_second(url, headers):
    command = ["wrk", "-t1", "-c4", f"-d{SECONDS}s"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    text = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in text, text
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])


def simulator(folder, organizations, invitations, processes, speed=0):
    """Starts a simulator; its clock stands still without a speed. Returns its variables, its control URL and the
    organizations' ids."""
    log = open(folder / "simulate.out", "w+")
    processes.append(subprocess.Popen(
        [BINARY, "simulate", f"--speed={speed}", f"--organizations={organizations}", f"--invitations={invitations}"],
        stdout=log, stderr=subprocess.DEVNULL))
    wait_until(lambda: "CSP_CLIENT_SECRET" in (folder / "simulate.out").read_text(), "the simulator")
    banner = (folder / "simulate.out").read_text()
    control = re.search(r"Control endpoint: (\S+)", banner)[1]
    ids = re.findall(r'"id":"([0-9a-f-]{36})"', get(f"{control}/organizations", {}).decode().replace(" ", ""))
    return lambda name: re.search(rf"export {name}=(\S+)", banner)[1], control, ids


def configure(folder, variable, ids, api, interval):
    """Writes a configuration for these organizations of a simulator."""
    (folder / "secret").write_text(variable("CSP_CLIENT_SECRET"))
    lines = [f"api: {{url: '{variable('CSP_URL')}', {api}}}", f"poll: {{interval: {interval}}}", "credentials:",
             f"  app: {{client_id: '{variable('CSP_CLIENT_ID')}', client_secret_file: secret}}", "organizations:"]
    lines += [f"  - {{id: {id}, name: organization-{n}, credentials: app}}" for n, id in enumerate(ids)]
    (folder / "config.yaml").write_text("\n".join(lines) + "\n")


def simulated(folder, organizations, invitations, processes):
    """Starts a simulator, and an exporter that polls it once and then rests."""
    variable, _, ids = simulator(folder, organizations, invitations, processes)
    configure(folder, variable, ids, api="requests_per_second: 0", interval="6h")
    port = free_port()
    exporter = subprocess.Popen([BINARY, f"--config.file={folder / 'config.yaml'}",
                                 f"--web.listen-address=127.0.0.1:{port}"], stderr=subprocess.DEVNULL)
    processes.append(exporter)
    base = f"http://127.0.0.1:{port}"
    wait_until(lambda: get(f"{base}/readyz", {}) is not None, "the first polls")
    # The names of the organizations come after the first polls, all but ten of them two seconds apart.
    wait_until(lambda: b'display_name=""' not in get(f"{base}/metrics", {}), "the names", 60 + 2 * organizations, 1)
    return exporter, f"{base}/metrics"


def nginx(folder, body, compressed, processes):
    """Serves the same bytes as a static file, plain and as `gzip_static`."""
    root = folder / "static"
    root.mkdir()
    (root / "metrics").write_bytes(body)
    (root / "metrics.gz").write_bytes(compressed)
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(f"""
worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/error.log; daemon off;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; default_type text/plain;
  open_file_cache max=16; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b;
  fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port}; root {root}; gzip_static on; }}
}}
""")
    processes.append(subprocess.Popen(["nginx", "-c", str(configuration), "-e", str(folder / "error.log")]))
    url = f"http://127.0.0.1:{port}/metrics"
    wait_until(lambda: get(url, {}) is not None, "nginx")
    return url


def series_of(body):
    return sum(1 for line in body.splitlines() if line and not line.startswith(b"#"))


def show(label, values, unit=""):
    print(f"  {label:<46} median {statistics.median(values):>10.3f}{unit}   "
          f"min {min(values):>10.3f}   max {max(values):>10.3f}")


def against_nginx(organizations, invitations):
    with tempfile.TemporaryDirectory() as name:
        folder, processes = pathlib.Path(name), []
        os.chmod(folder, 0o755)
        try:
            _, url = simulated(folder, organizations, invitations, processes)
            body, compressed = get(url, PLAIN[1]), get(url, GZIP[1])
            static = nginx(folder, body, compressed, processes)
            print(f"{series_of(body)} series: {len(body)} bytes plain, {len(compressed)} compressed "
                  f"({len(gzip.compress(body, 6))} with level 6)")
            for coding, headers in (PLAIN, GZIP):
                ours, theirs, ratios = [], [], []
                for _ in range(ROUNDS):
                    ours.append(requests_per_second(url, headers))
                    theirs.append(requests_per_second(static, headers))
                    ratios.append(ours[-1] / theirs[-1])
                show(f"{coding}: exporter, requests a second", ours)
                show(f"{coding}: nginx, requests a second", theirs)
                show(f"{coding}: ratio", ratios)
        finally:
            for process in reversed(processes):
                process.send_signal(signal.SIGTERM)
                process.wait(20)


def cpu_per_series(pid, url, seconds, pause):
    """CPU time per series and scrape, in nanoseconds; `pause` between scrapes, as long as a kept scrape is true."""
    scrapes, series = 0, series_of(get(url, PLAIN[1]))
    before, end = cpu_seconds(pid), time.monotonic() + seconds
    while time.monotonic() < end:
        get(url, GZIP[1])
        scrapes += 1
        time.sleep(pause)
    return (cpu_seconds(pid) - before) / scrapes / series * 1e9


def against_node_exporter():
    with tempfile.TemporaryDirectory() as name:
        folder, processes = pathlib.Path(name), []
        try:
            exporter, url = simulated(folder, 30, 300, processes)
            port = free_port()
            node = subprocess.Popen(["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}"],
                                    stderr=subprocess.DEVNULL)
            processes.append(node)
            node_url = f"http://127.0.0.1:{port}/metrics"
            wait_until(lambda: get(node_url, {}) is not None, "node_exporter")
            print(f"CPU per series and compressed scrape ({series_of(get(url, PLAIN[1]))} series of the exporter, "
                  f"{series_of(get(node_url, PLAIN[1]))} of node_exporter)")
            # 300 ms apart every scrape encodes the exporter's own metrics anew; without a pause it need not.
            for label, pause in (("300 ms apart", 0.3), ("at once", 0.0)):
                ours, theirs, ratios = [], [], []
                for _ in range(ROUNDS):
                    ours.append(cpu_per_series(exporter.pid, url, 2 * SECONDS, pause))
                    theirs.append(cpu_per_series(node.pid, node_url, 2 * SECONDS, pause))
                    ratios.append(theirs[-1] / max(ours[-1], 1e-3))
                show(f"{label}: exporter", ours, " ns")
                show(f"{label}: node_exporter", theirs, " ns")
                show(f"{label}: times cheaper", ratios)
        finally:
            for process in reversed(processes):
                process.send_signal(signal.SIGTERM)
                process.wait(20)


if __name__ == "__main__":
    against_nginx(7, 300)
    against_nginx(70, 300)
    against_node_exporter()
