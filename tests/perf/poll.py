#!/usr/bin/env python3
"""What a whole poll takes, from the request to the numbers, beside curl that throws the same list away.

    EXPORTER_BINARY=target/dist/csp-invitations-exporter tests/perf/poll.py [INVITATIONS...]

The list is the simulator's, served as a static file by nginx on loopback, so that the upstream costs next to nothing. In turns:
`once` (its csp_poll_duration_seconds, CPU time and peak memory), curl to /dev/null, and a pass over the JSON that keeps nothing
(`cargo bench --profile=dist --bench validate`). The figure to look at is the poll against the sum of the other two.
"""

import base64
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request

import scrape

ROUNDS = 7
EXPANDED = "?expand=true&expandCustomGroups=true"


def fetch(folder, variable, expanded):
    """Puts the list, as the simulator serves it, into a file; returns whose it is. Not through this process: a child's peak
    memory begins with its parent's."""
    key = base64.b64encode(f"{variable('CSP_CLIENT_ID')}:{variable('CSP_CLIENT_SECRET')}".encode()).decode()
    base, organization = variable("CSP_URL"), variable("CSP_ORGANIZATION_ID")
    token = urllib.request.Request(f"{base}/csp/gateway/am/api/auth/token", method="POST",
                                   data=f"grant_type=client_credentials&orgId={organization}".encode(),
                                   headers={"Authorization": f"Basic {key}"})
    with urllib.request.urlopen(token, timeout=60) as answer:
        access = json.load(answer)["access_token"]
    url = f"{base}/csp/gateway/am/api/orgs/{organization}/invitations{EXPANDED if expanded else ''}"
    subprocess.run(["curl", "-s", "-f", "-o", folder / "list.json", "-H", f"Authorization: Bearer {access}", url], check=True)
    return organization


def upstream(folder, processes):
    """nginx in the place of the service, with the folder's list for every organization."""
    port = scrape.free_port()
    (folder / "nginx.conf").write_text(f"""
worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log; daemon off;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; default_type application/json; client_body_temp_path {folder}/a;
  proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{
    listen 127.0.0.1:{port};
    location /csp/gateway/am/api/auth/ {{ return 200 '{{"access_token":"any","expires_in":1800}}'; }}
    location ~ /invitations$ {{ root {folder}; rewrite ^ /list.json break; }}
    location /csp/gateway/am/api/orgs/ {{ return 200 '{{"displayName":"Any"}}'; }}
  }}
}}
""")
    processes.append(subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]))
    url = f"http://127.0.0.1:{port}"
    scrape.wait_until(lambda: scrape.get(f"{url}/csp/gateway/am/api/orgs/x", {}) is not None, "nginx")
    return url


def poll(folder):
    """Seconds of the poll, CPU seconds and peak MiB of the whole process."""
    with open(folder / "once.txt", "w+b") as out:
        process = subprocess.Popen([scrape.BINARY, "once", f"--config.file={folder / 'config.yaml'}"], stdout=out,
                                   stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, process.returncode
        out.seek(0)
        took = float(re.search(rb"^csp_poll_duration_seconds\{[^}]*\} (\S+)$", out.read(), re.M)[1])
    return took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def download(url, organization):
    target = f"{url}/csp/gateway/am/api/orgs/{organization}/invitations{EXPANDED}"
    done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{time_total}", target], capture_output=True, check=True)
    return float(done.stdout)


def validate(folder):
    done = subprocess.run(["cargo", "bench", "--quiet", "--profile=dist", "--bench", "validate", "--", str(folder / "list.json")],
                          capture_output=True, check=True)
    return float(done.stdout.split()[-1])


def measure(invitations, expanded):
    with tempfile.TemporaryDirectory() as name:
        folder, processes = pathlib.Path(name), []
        os.chmod(folder, 0o755)
        try:
            variable, _, _ = scrape.simulator(folder, 1, invitations, processes)
            organization = fetch(folder, variable, expanded)
            processes.pop().kill()
            url = upstream(folder, processes)
            size = (folder / "list.json").stat().st_size
            print(f"{invitations} invitations, {'expanded' if expanded else 'short'}: {size / 1e6:.1f} MB")
            # Without a budget, which would have the list wait for a tenth of a second after the token.
            variables = {"CSP_URL": url, "CSP_CLIENT_ID": "any", "CSP_CLIENT_SECRET": "any"}
            scrape.configure(folder, variables.__getitem__, [organization], api="requests_per_second: 0", interval="1h")
            figures = {label: [] for label in ("poll, ms", "CPU of the process, ms", "peak memory, MiB", "curl, ms",
                                               "validation, ms", "poll / (curl + validation)")}
            for _ in range(ROUNDS):
                took, cpu, peak = poll(folder)
                curl, valid = download(url, organization), validate(folder)
                turn = (took * 1e3, cpu * 1e3, peak, curl * 1e3, valid * 1e3, took / (curl + valid))
                for values, value in zip(figures.values(), turn):
                    values.append(value)
            for label, values in figures.items():
                scrape.show(label, values)
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
                process.wait(20)


if __name__ == "__main__":
    for count in map(int, sys.argv[1:] or ["1000", "10000", "100000"]):
        for form in (True, False):
            measure(count, form)
