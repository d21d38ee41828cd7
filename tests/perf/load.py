#!/usr/bin/env python3
"""The server under load and under attack, plain and with TLS, beside nginx with the same bytes under the same.

    EXPORTER_BINARY=target/dist/csp-invitations-exporter tests/perf/load.py [SECONDS]

Needs nginx, wrk, h2load (nghttp2-client), openssl, and to be root or to have a limit of 12,000 open files. While each of it goes on for
SECONDS (6), `/healthz` is asked twenty times a second over a new connection each time, at the main listener and at that of the probes.
What makes the load is nicer than the servers are, and who asks for health is less so: all of them are on the same processors.
"""

import asyncio
import contextlib
import logging
import os
import pathlib
import re
import resource
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import traceback

import scrape
from health import Target, Watch, priority

IDLE, AT_ONCE, SLOW, HOSTILE = 10_000, 1_000, 500, 20
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04\0" + bytes(4)


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


# GET /metrics, by indexes of the static table and one text.
HEAD = b"\x82\x87\x41\x01x\x04\x08/metrics"


# What a server does with who goes too far.
CUT = (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, ssl.SSLError)


# --- Attacks: each goes on until `end`, and says how much of it there was -----------------------------------------------------------


async def many(count, work):
    """So many at once; those that are cut off begin anew."""
    done = await asyncio.gather(*(work() for _ in range(count)))
    return sum(done)


def again(end, attack):
    """One attacker: who is thrown out comes back."""
    async def work():
        total = 0
        while time.monotonic() < end:
            with contextlib.suppress(*CUT):
                total += await attack(end)
            await asyncio.sleep(0.01)
        return total

    return work


async def idle(target, end):
    """Connections that ask once, and are silent then."""
    turns, held = asyncio.Semaphore(64), []

    async def one():
        with contextlib.suppress(*CUT):
            async with turns:
                reader, writer = await target.open()
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                head = await reader.readuntil(b"\r\n\r\n")
                # What is left unread would hide the end.
                await reader.readexactly(int(re.search(rb"(?i)content-length: (\d+)", head)[1]))
            held.append((reader, writer))

    await asyncio.gather(*(one() for _ in range(IDLE)))
    await asyncio.sleep(max(2.0, end - time.monotonic()))
    open_now = sum(not (reader.at_eof() or writer.transport.is_closing()) for reader, writer in held)
    return f"{len(held)} answered, {open_now} kept"


async def slow_readers(target, end):
    async def attack(end):
        _, writer = await target.open()
        writer.transport.pause_reading()
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: identity\r\n\r\n")
        while time.monotonic() < end and not writer.transport.is_closing():
            await asyncio.sleep(0.2)
        writer.transport.abort()
        return 1

    return f"{await many(SLOW, again(end, attack))} connections"


async def slow_writers(target, end):
    async def attack(end):
        _, writer = await target.open()
        for byte in b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 1000:
            if time.monotonic() >= end or writer.transport.is_closing():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0.5)
        writer.transport.abort()
        return 1

    return f"{await many(SLOW, again(end, attack))} connections"


async def rapid_reset(target, end):
    async def attack(end):
        reader, writer = await target.open("h2")
        writer.write(PREFACE)
        stream, sent = 1, 0
        try:
            while time.monotonic() < end and not writer.transport.is_closing():
                for _ in range(100):
                    writer.write(frame(1, 5, stream, HEAD) + frame(3, 0, stream, (8).to_bytes(4, "big")))
                    stream, sent = stream + 2, sent + 1
                await asyncio.wait_for(writer.drain(), 5)
                # What is sent back has to be taken, or nothing more is.
                await asyncio.wait_for(reader.read(1 << 16), 5)
        except CUT:
            pass
        writer.transport.abort()
        return sent

    return f"{await many(HOSTILE, again(end, attack))} streams"


async def header_lines(target, end):
    return await flood(target, "http/1.1", b"GET /metrics HTTP/1.1\r\nHost: x\r\n", (b"x-flood: " + b"a" * 1000 + b"\r\n") * 16, end)


async def continuations(target, end):
    return await flood(target, "h2", PREFACE + frame(1, 1, 1, HEAD), frame(9, 0, 1, b"\x40\x01x\x7f\x81\x01" + b"a" * 256) * 60, end)


async def flood(target, protocol, begin, piece, end):
    """A beginning, and then the same piece for as long as it is taken."""
    async def attack(end):
        sent, (_, writer) = 0, await target.open(protocol)
        writer.write(begin)
        try:
            while time.monotonic() < end and not writer.transport.is_closing():
                writer.write(piece)
                await asyncio.wait_for(writer.drain(), 5)
                sent += len(piece)
        except CUT:
            pass
        writer.transport.abort()
        return sent

    return f"{await many(HOSTILE, again(end, attack)) / 1e6:.0f} MB of headers"


async def at_once(target, _end):
    """A thousand scrapers, all of which ask in the same moment."""
    turns = asyncio.Semaphore(64)

    async def connect():
        async with turns:
            return await target.open()

    async def ask(reader, writer):
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n")
        try:
            return (await asyncio.wait_for(reader.read(-1), 30))[9:12].decode() or "closed"
        except CUT as error:
            return type(error).__name__

    connections = await asyncio.gather(*(connect() for _ in range(AT_ONCE)))
    start = time.monotonic()
    answers = await asyncio.gather(*(ask(*one) for one in connections))
    took = time.monotonic() - start
    return ", ".join(f"{answers.count(one)} {one}" for one in sorted(set(answers))) + f" in {took:.1f} s"


def program(command, found):
    """A load from a program that says how much there was."""
    async def load(_target, _end):
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        text = (await process.communicate())[0].decode()
        number = re.search(found, text)
        assert number, text
        wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", text) or re.search(r" ([1-9]\d*) 5xx", text)
        return f"{float(number[1]):,.0f}/s" + (f", {wrong[1]} refused" if wrong else "")

    return load


def loads(target, seconds):
    """Every load by its name."""
    gzipped = ["-H", "Accept-Encoding: gzip"]
    every = {
        "wrk, 32 connections": program(["wrk", "-t1", "-c32", f"-d{seconds}s", *gzipped, f"{target.url}/metrics"], r"Requests/sec:\s+([\d.]+)"),
        "HTTP/2: h2load, 4 connections of 8 streams": program(
            ["h2load", "-c4", "-m8", f"-D{seconds}", *gzipped, f"{target.url}/metrics"], r"([\d.]+) req/s"),
        f"{IDLE:,} idle connections": idle,
        f"{SLOW} that do not read": slow_readers,
        f"{SLOW} that write a byte at a time": slow_writers,
        f"HTTP/2: rapid reset, {HOSTILE} connections": rapid_reset,
        f"HTTP/2: continuations, {HOSTILE} connections": continuations,
        f"headers without end, {HOSTILE} connections": header_lines,
        f"{AT_ONCE:,} scrapes at once, uncompressed": at_once,
    }
    # Without TLS the exporter speaks HTTP/1.1 alone, as nginx does.
    return {name: load for name, load in every.items() if target.tls or not name.startswith("HTTP/2")}


# --- Servers ---------------------------------------------------------------------------------------------------------------------


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=x",
                    "-keyout", folder / "tls.key", "-out", folder / "tls.crt"], check=True, capture_output=True)
    (folder / "web.yml").write_text("tls_server_config: {cert_file: tls.crt, key_file: tls.key}\n")


def exporter(folder, tls, processes):
    """An exporter that has polled, its main listener and that of its probes."""
    main, probes = Target(scrape.free_port(), tls), Target(scrape.free_port(), False)
    flags = [f"--config.file={folder}/config.yaml", f"--web.listen-address=127.0.0.1:{main.port}", f"--web.probe-listen-address=127.0.0.1:{probes.port}"]
    processes.append(subprocess.Popen([scrape.BINARY, *flags, *([f"--web.config.file={folder}/web.yml"] if tls else [])], stderr=subprocess.DEVNULL))
    scrape.wait_until(lambda: main.get("/readyz") == 200, "the first polls")
    return [main, probes]


def nginx(folder, tls, processes):
    """The same bytes, and a health page."""
    target = Target(scrape.free_port(), tls)
    listen = f"listen 127.0.0.1:{target.port} backlog=4096 {'ssl' if tls else ''} http2; ssl_certificate tls.crt; ssl_certificate_key tls.key;"
    if not tls:
        # A plain listener of nginx speaks either HTTP/1.1 or HTTP/2.
        listen = f"listen 127.0.0.1:{target.port} backlog=4096;"
    (folder / "nginx.conf").write_text(f"""
worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/error.log; daemon off;
events {{ worker_connections 12000; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; default_type text/plain; keepalive_timeout 180;
  open_file_cache max=16; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b;
  fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ {listen} root {folder}/static; gzip_static on; location /healthz {{ return 200; }} }}
}}
""")
    processes.append(subprocess.Popen(["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"], stderr=subprocess.DEVNULL))
    scrape.wait_until(lambda: target.get("/healthz") == 200, "nginx")
    return [target]


def measure(name, targets, pid, seconds):
    """Every load on one server, and how health fares under it."""
    print(f"\n{name}\n  {'load':<42} {'how much':<34} {'health: median / p99 / most':<32} at the probes' listener", flush=True)
    for load, attack in loads(targets[0], seconds).items():
        health = Watch(*targets)
        how_much = asyncio.run(attack(targets[0], time.monotonic() + seconds))
        words = health.end()
        print(f"  {load:<42} {how_much:<34} {words[0]:<32} {words[1] if len(words) > 1 else ''}", flush=True)
        time.sleep(1)
    most = re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]
    print(f"  most memory: {int(most) / 1024:.0f} MiB")


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert most >= 12_000, f"{most} open files are not enough"
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as name:
        folder, processes = pathlib.Path(name), []
        os.chmod(folder, 0o755)
        certificate(folder)
        try:
            variable, _, ids = scrape.simulator(folder, 7, 300, processes)
            scrape.configure(folder, variable, ids, api="requests_per_second: 0", interval="6h")
            servers = [(f"{name}, {'TLS' if tls else 'plain'}", start, tls) for tls in (False, True) for name, start in (("exporter", exporter), ("nginx", nginx))]
            static = folder / "static"
            for name, start, tls in servers:
                targets = start(folder, tls, processes)
                if start is exporter and not static.exists():
                    static.mkdir()
                    (static / "metrics").write_bytes(scrape.get(f"{targets[0].url}/metrics", scrape.PLAIN[1]))
                    (static / "metrics.gz").write_bytes(scrape.get(f"{targets[0].url}/metrics", scrape.GZIP[1]))
                    sizes = [(static / one).stat().st_size for one in ("metrics", "metrics.gz")]
                    print(f"{sizes[0]:,} bytes plain, {sizes[1]:,} compressed")
                # Servers come first, then who asks for health only; what makes the load is in this process.
                pid = os.fork()
                if pid == 0:
                    code = 1
                    try:
                        # Who writes to what was cut is told of it by an exception, too.
                        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
                        priority(10)
                        measure(name, targets, processes[-1].pid, seconds)
                        code = 0
                    except BaseException:
                        traceback.print_exc()
                    finally:
                        sys.stdout.flush()
                        os._exit(code)
                assert os.waitpid(pid, 0)[1] == 0, "the load failed"
                ended = processes.pop()
                ended.send_signal(signal.SIGTERM)
                ended.wait(40)
        finally:
            for process in processes:
                process.kill()
                process.wait()


if __name__ == "__main__":
    main()
