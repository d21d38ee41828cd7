#!/usr/bin/env python3
"""Every panel of the dashboards draws without an error in a real browser, by the commands of dashboards/README.md, from a Prometheus that
watches the demonstration: wide and dark as there, then narrow and light.

Needs npm, Chromium, Prometheus and PyYAML. Pictures are in target/tests/dashboards.
"""

import subprocess
import sys

import fast_rules
import reader
from dashboards import CONFIGURATION, FACTOR
from exporter import OUT, ROOT, Demo, main, require, until
from servers import Prometheus

FOLDER = ROOT / "dashboards/preview"
SCRAPES = 30
DASHBOARDS = sorted(path.stem for path in (ROOT / "dashboards").glob("*.json"))


def documented():
    """The two commands: what builds, and what draws."""
    block = next(text for _, text, _ in reader.blocks(ROOT / "dashboards/README.md") if "npm ci" in text)
    build, draw = reader.commands("sh", block)
    return build, draw.partition("#")[0].strip()


def built(command):
    """Runs what builds; without fetching again what this machine has. Whether the packages could be fetched."""
    lock, installed = (FOLDER / "package-lock.json").read_text(), FOLDER / "node_modules/.installed"
    if not installed.exists() or installed.read_text() != lock:
        if subprocess.run("npm ci --no-progress", shell=True, cwd=FOLDER, check=False).returncode:
            return False
        installed.write_text(lock)
    require("npm ci && " in command, f"dashboards/README.md: {command}")
    subprocess.run(command.replace("npm ci && ", ""), shell=True, cwd=ROOT, check=True)
    return True


def drawn(command, words):
    """Draws all dashboards; a panel with an error fails the command."""
    folder = OUT / "dashboards" / words.replace(" ", "-")
    for name in DASHBOARDS:
        (folder / f"{name}.png").unlink(missing_ok=True)
    done = subprocess.run(command.format(folder=folder), shell=True, cwd=FOLDER, capture_output=True, text=True, check=False)
    require(done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-4000:]}")
    found = sorted(path.stem for path in folder.glob("*.png"))
    require(found == DASHBOARDS, f"{words}: there are pictures of {found}")
    print(f"{words}: {', '.join(found)}")


def check():
    build, draw = documented()
    require("http://127.0.0.1:9090" in draw and " pictures 60 dark acme" in draw, f"dashboards/README.md: {draw}")
    with Demo() as demo:
        prometheus = Prometheus("preview")
        fast_rules.write(prometheus.folder, FACTOR)
        prometheus.configure(CONFIGURATION.format(target=demo.url.removeprefix("http://"), folder=prometheus.folder, labels="{}"))
        with prometheus:
            if not built(build):
                print("npm can't fetch the packages")
                sys.exit(75)
            until(f"{SCRAPES} scrapes", lambda: (prometheus.value("count_over_time(up[1h])") or 0) >= SCRAPES, 90)
            draw = draw.replace("http://127.0.0.1:9090", prometheus.url)
            drawn(draw.replace(" pictures ", " {folder} "), "wide and dark")
            drawn("WIDTH=800 " + draw.replace(" pictures 60 dark acme", " {folder} 5 light acme-production"), "narrow and light")


if __name__ == "__main__":
    main(check)
