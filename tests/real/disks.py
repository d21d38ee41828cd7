#!/usr/bin/env python3
"""Disks and files that hang, fail, are slow and recover, under the binary as users run it; as regular files of a real mount. And
a name server that is silent.

Each case has a disk of its own and runs beside the others. Where FUSE does not run, this exits with 75 and says so.
"""

import base64
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from exporter import BINARY, Failed, main, require, until
from fuse_disk import Disk, needed
from served import AT_ONCE, Exporter, Simulator


class Place:
    """A folder for a case, with a configuration in it and a disk beside it."""

    def __init__(self, simulator, disk, base):
        self.simulator, self.disk, self.base = simulator, disk, base
        (base / "sound").write_text(simulator.secret)
        (base / "secret").write_text(simulator.secret)
        self.config = base / "config.yaml"
        self.config.write_text(simulator.configuration("secret"))
        self.state = disk.path / "state"

    def start(self, *flags):
        """`serve` with the configuration, listening."""
        return self.launch(*flags).listening()

    def launch(self, *flags):
        """The same, without waiting."""
        return Exporter(f"--config.file={self.config}", *flags)


DURABLE = "csp_exporter_state_durable"


def events(exporter):
    """How many events were counted, of one organization."""
    return exporter.total("csp_invitation_events_total")


def state_hangs(place):
    """Counts go on in memory, and are on disk once it answers."""
    with place.start(f"--state.dir={place.state}") as exporter:
        until("events are counted", lambda: (events(exporter) or 0) > 20)
        require(exporter.sample(DURABLE) == 1, "the state is not durable")
        place.disk.hang()
        until("it is noticed", lambda: exporter.sample(DURABLE) == 0, 12)
        before = events(exporter)
        exporter.is_well(polls="one")
        exporter.reload(200)
        until("counts go on", lambda: events(exporter) > before)
        told = [line for line in exporter.log().splitlines() if "state folder" in line]
        require(len(told) == 1, f"it is said {len(told)} times: {told}")
        place.disk.answer()
        until("all is written", lambda: exporter.sample(DURABLE) == 1, 20)
        least = events(exporter)
        exporter.process.kill()
        exporter.process.wait()
    with place.start(f"--state.dir={place.state}") as exporter:
        until("the counters are back", lambda: (events(exporter) or 0) >= least)
        require(exporter.sample("csp_exporter_state_resets_total") == 0, "a state was set aside")


def state_hangs_at_start_and_stop(place):
    """It starts and ends as if the disk were well; the end waits 10 s."""
    with place.start(f"--state.dir={place.state}") as exporter:
        until("events are counted", lambda: (events(exporter) or 0) > 20)
        least = events(exporter)
        exporter.stop(5)
    place.disk.hang()
    begin = time.monotonic()
    with place.start(f"--state.dir={place.state}") as exporter:
        require(time.monotonic() - begin < 8, f"the port opened after {time.monotonic() - begin:.1f} s")
        exporter.is_well(polls="one")
        require(exporter.sample(DURABLE) == 0 and events(exporter) is None, "counts begin at nothing")
        exporter.stop(13)
    with place.start(f"--state.dir={place.state}") as exporter:
        exporter.is_well(polls="one")
        place.disk.answer()
        until("all is written", lambda: exporter.sample(DURABLE) == 1, 20)
        require(events(exporter) >= least, f"{least} events became {events(exporter)}")
        require(exporter.sample("csp_exporter_state_resets_total") == 0, "a state was set aside")
        exporter.stop(5)


def state_fails(place, error):
    """A disk that refuses: nothing is lost, nothing is set aside."""
    with place.start(f"--state.dir={place.state}") as exporter:
        until("events are counted", lambda: (events(exporter) or 0) > 20)
        place.disk.fail(error)
        until("it is noticed", lambda: exporter.sample(DURABLE) == 0, 12)
        before = events(exporter)
        exporter.is_well(polls="one")
        until("counts go on", lambda: events(exporter) > before)
        place.disk.answer()
        until("all is written", lambda: exporter.sample(DURABLE) == 1, 20)
        place.disk.fail(error)
        least = events(exporter)
        exporter.stop(13)
    begin = time.monotonic()
    with place.start(f"--state.dir={place.state}") as exporter:
        require(time.monotonic() - begin < 8, "a start waits for a disk that fails")
        exporter.is_well(polls="one")
        place.disk.answer()
        until("all is written", lambda: exporter.sample(DURABLE) == 1, 20)
        require(events(exporter) >= least, f"{least} events became {events(exporter)}")
        require(exporter.sample("csp_exporter_state_resets_total") == 0, "a state was set aside")


def state_is_slow(place):
    """A disk that takes a while for everything holds up polls alone, and only as long as it takes."""
    place.disk.be_slow(0.02)
    with place.start(f"--state.dir={place.state}") as exporter:
        until("events are counted", lambda: (events(exporter) or 0) > 20)
        exporter.is_well(polls="one")
        until("it is durable", lambda: exporter.sample(DURABLE) == 1)
        least = events(exporter)
        exporter.stop(13)
    with place.start(f"--state.dir={place.state}") as exporter:
        until("the counters are back", lambda: (events(exporter) or 0) >= least)


def secret_hangs(place):
    """Its organizations fail as `credentials`, the others do not, and nobody has to help when it is back."""
    secret = place.disk.folder / "secret"
    secret.write_text(place.simulator.secret)
    place.config.write_text(place.simulator.configuration(place.disk.path / "secret"))
    place.disk.hang()
    with place.start() as exporter:
        failing = 'csp_poll_failing{organization="one",reason="credentials"}'
        until("it fails", lambda: exporter.sample(failing) == 1, 10)
        threads = len(os.listdir(f"/proc/{exporter.process.pid}/task"))
        exporter.is_well()
        before = exporter.total("csp_polls_total")
        until("it fails again and again", lambda: exporter.total("csp_polls_total") >= before + 3)
        now = len(os.listdir(f"/proc/{exporter.process.pid}/task"))
        require(now <= threads + 3, f"{threads} threads became {now}")
        require(str(place.disk.path / "secret") in exporter.log() and "does not answer" in exporter.log(), "it is not named")
        exporter.reload(200)
        place.disk.answer()
        until("it is read", lambda: exporter.sample('csp_up{organization="one"}') == 1, 20)
        place.disk.hang()
        exporter.stop(5)


def configuration_hangs(place):
    """A reload says so after a while; by itself or by hand; nothing else waits, the end neither."""
    (place.disk.folder / "config.yaml").write_text(place.config.read_text())
    (place.disk.folder / "sound").write_text(place.simulator.secret)
    (place.disk.folder / "secret").write_text(place.simulator.secret)
    flags = ["--config.enable-auto-reload", "--config.auto-reload-interval=1s"]
    place.config = place.disk.path / "config.yaml"
    good = "csp_exporter_config_last_reload_successful"
    with place.start(*flags) as exporter:
        until("it polls", lambda: exporter.sample('csp_up{organization="two"}') == 1)
        # Access tokens are at hand for a while: that its secrets hang as well is another case.
        place.disk.hang()
        exporter.process.send_signal(signal.SIGHUP)
        exporter.is_well()
        reason = exporter.reload(500, 35)
        require("config.yaml" in reason and "does not answer" in reason, reason)
        require(exporter.sample(good) == 0, "the failed reload does not show")
        exporter.is_well()
        changed = place.simulator.configuration("secret", interval="3s")
        (place.disk.folder / "config.yaml").write_text(changed)
        place.disk.answer()
        until("the change is taken", lambda: exporter.sample('csp_poll_interval_seconds{organization="two"}') == 3, 30)
        require(exporter.sample(good) == 1, "the reload does not show")
        place.disk.hang()
        time.sleep(1.5)
        exporter.stop(5)


def configuration_hangs_at_start(place):
    """64 with its name, before anything is bound; a signal ends the wait."""
    (place.disk.folder / "config.yaml").write_text(place.config.read_text())
    place.config = place.disk.path / "config.yaml"
    place.disk.hang()
    with place.launch() as exporter:
        until("it handles signals", lambda: handles(exporter.process.pid, signal.SIGTERM))
        exporter.stop(3)
    # Not beside the other one: the system lets nobody look up a name that somebody else looks up.
    with place.launch() as exporter:
        code = exporter.process.wait(timeout=20)
        require(code == 64 and str(place.config) in exporter.log(), f"{code}: {exporter.log()}")


def handles(pid, number):
    """Whether the process has a handler for this signal."""
    caught = re.search(r"^SigCgt:\s*(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.M)
    return int(caught[1], 16) >> (number - 1) & 1


def authority_hangs(place):
    """What a reload cannot read changes nothing: the old client goes on."""
    (place.disk.folder / "ca.pem").write_text(certificate(place.base)[0].read_text())
    place.config.write_text(place.simulator.configuration("secret", api=f", tls: {{ca_file: {place.disk.path}/ca.pem}}"))
    with place.start() as exporter:
        exporter.reload(200)
        place.disk.hang()
        begun = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            reload = pool.submit(exporter.reload, 500, 15)
            exporter.is_well()
            require("ca.pem" in reload.result(), reload.result())
        require(time.monotonic() - begun > 5, "it did not hang")
        place.disk.answer()
        exporter.reload(200)
        place.disk.hang()
        exporter.process.send_signal(signal.SIGHUP)
        exporter.stop(5)


def certificate(folder):
    """A certificate for 127.0.0.1 and its key."""
    cert, key = folder / "tls.crt", folder / "tls.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=x",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


# `right` for the user `alice`, at the lowest cost.
USERS = "basic_auth_users:\n  alice: $2y$04$Puq.zOzY5lF6gyy9EkUnXu1TyCyKw6EP6Deo3WUSqx7nCS8KGx6Ja\n"


def answer(url, context=None, password=None):
    """The status, or the exception, and how long it took."""
    handlers = [urllib.request.ProxyHandler({})]
    if context:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    request = urllib.request.Request(url)
    if password:
        request.add_header("Authorization", "Basic " + base64.b64encode(f"alice:{password}".encode()).decode())
    start = time.monotonic()
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=30) as got:
            found = got.status
    except urllib.error.HTTPError as error:
        found = error.code
    except OSError as error:
        found = error
    return found, time.monotonic() - start


def access_hangs(place):
    """Nobody is let in, nobody waits for longer than 10 s; health beside it, polls and the end go on."""
    web = place.disk.folder / "web.yml"
    web.write_text(USERS)
    with place.start(f"--web.config.file={place.disk.path}/web.yml") as exporter:
        url = f"{exporter.url}/metrics"
        require(answer(url, password="right")[0] == 200 and answer(url, password="wrong")[0] == 401, "users do not work")
        place.disk.hang()
        with ThreadPoolExecutor(20) as pool:
            asked = [pool.submit(answer, url, None, word) for word in ("right", "wrong") * 10]
            require(answer(f"{exporter.probes}/livez")[1] < AT_ONCE, "health waits")
            for found, took in (one.result() for one in asked):
                require(found == 500 and took < 8, f"{found} after {took:.1f} s")
        place.disk.answer()
        until("they are let in", lambda: answer(url, password="right")[0] == 200)
        place.disk.hang()
        pending = threading.Thread(target=answer, args=(url, None, "right"))
        pending.start()
        time.sleep(0.3)
        exporter.stop(9)
        pending.join()


def certificate_hangs(place):
    """Handshakes fail, what is connected goes on, and it is well again by itself."""
    cert, key = certificate(place.disk.folder)
    (place.base / "web.yml").write_text(f"tls_server_config: {{cert_file: {place.disk.path}/{cert.name}, key_file: {place.disk.path}/{key.name}}}\n")
    context = ssl.create_default_context(cafile=str(cert))
    with place.start(f"--web.config.file={place.base}/web.yml") as exporter:
        url = f"https://{exporter.address}/metrics"
        require(answer(url, context)[0] == 200, "TLS does not work")
        place.disk.hang()
        with ThreadPoolExecutor(10) as pool:
            asked = [pool.submit(answer, url, context) for _ in range(10)]
            require(answer(f"{exporter.probes}/livez")[1] < AT_ONCE, "health waits")
            for found, took in (one.result() for one in asked):
                require(isinstance(found, OSError) and took < 12, f"{found} after {took:.1f} s")
        place.disk.answer()
        until("handshakes work", lambda: answer(url, context)[0] == 200)
        place.disk.hang()
        exporter.stop(5)


def name_server_is_silent(place):
    """A start whose address is a name waits for the name server, a signal does not, and a health check not for long."""
    (place.base / "resolv.conf").write_text("nameserver 127.53.0.1\n")
    bind = f"mount --bind {place.base}/resolv.conf /etc/resolv.conf && exec \"$@\""
    inside = ["unshare", "--mount", "sh", "-c", bind, "sh", BINARY]
    address = "--web.listen-address=silent.example.org:0"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.53.0.1", 53))
        silent.settimeout(20)
        with subprocess.Popen([*inside, f"--config.file={place.config}", address], stderr=subprocess.PIPE, text=True) as process:
            silent.recv(512)
            start = time.monotonic()
            process.send_signal(signal.SIGTERM)
            said = process.communicate(timeout=60)[1]
            took = time.monotonic() - start
        require(process.returncode == 0 and took < AT_ONCE, f"it ended with {process.returncode} after {took:.1f} s: {said}")
        start = time.monotonic()
        asked = subprocess.run([*inside, "healthcheck", address], capture_output=True, text=True, timeout=60)
        took = time.monotonic() - start
    require(asked.returncode == 1 and took < 5 + AT_ONCE, f"the health check ended with {asked.returncode} after {took:.1f} s")
    require("the name server was silent" in asked.stderr, f"the health check says: {asked.stderr}")


CASES = {
    "the state folder hangs": state_hangs,
    "the state folder hangs at the start and at the end": state_hangs_at_start_and_stop,
    "the state folder is full": lambda place: state_fails(place, "ENOSPC"),
    "the state folder's disk is broken": lambda place: state_fails(place, "all EIO"),
    "the state folder is slow": state_is_slow,
    "a secret hangs": secret_hangs,
    "the configuration hangs": configuration_hangs,
    "the configuration hangs at the start": configuration_hangs_at_start,
    "an authority hangs": authority_hangs,
    "the web configuration hangs": access_hangs,
    "the certificate hangs": certificate_hangs,
    "the name server is silent": name_server_is_silent,
}


def run(name, case, simulator, base):
    """One case on a disk of its own; whether it held."""
    start = time.monotonic()
    folder = base / re.sub(r"\W+", "-", name)
    folder.mkdir()
    try:
        with Disk(folder, "disk") as disk:
            case(Place(simulator, disk, folder))
    except Failed as failure:
        print(f"FAILED {name}: {failure}", flush=True)
        return False
    print(f"ok     {name:<52} {time.monotonic() - start:5.1f} s", flush=True)
    return True


def check():
    """All cases at once, for they wait most of the time; with arguments those whose names have one of these parts."""
    chosen = {name: case for name, case in CASES.items() if not sys.argv[1:] or any(part in name for part in sys.argv[1:])}
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        simulator = stack.enter_context(Simulator(2))
        needed(base)
        with ThreadPoolExecutor(len(chosen)) as pool:
            outcomes = list(pool.map(lambda one: run(*one, simulator, base), chosen.items()))
    print(f"{outcomes.count(True)} passed, {outcomes.count(False)} failed")
    sys.exit(not all(outcomes))


if __name__ == "__main__":
    main(check)
