#!/usr/bin/env python3
"""The status page in a real browser while one organization fails. Needs node, and `npm ci` in the folder `browser`."""

import subprocess

from exporter import OUT, ROOT, Demo, main, require, until


def failing(demo):
    """The organizations that fail."""
    return [one for one in demo.status()["organizations"] if one["last_error"]]


def check():
    with Demo() as demo:
        demo.set_scenario(demo.organizations()[1], "credentials-revoked")
        name = until("a failing organization", lambda: failing(demo))[0]["name"]
        script = ROOT / "tests/real/browser/check.mjs"
        done = subprocess.run(["node", script, f"{demo.url}/", OUT, name], stdin=subprocess.DEVNULL, timeout=180, check=False)
        require(done.returncode == 0, f"node exits {done.returncode}")


main(check)
