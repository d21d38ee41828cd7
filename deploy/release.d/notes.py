#!/usr/bin/env python3
"""The notes of a release, out of the changelog: notes.py VERSION [--rehearsal] writes them to standard output.

A release needs a section with its version and day; a rehearsal takes what is unreleased.
"""

import re
import sys

from archive import ROOT

VERIFY = """
## Files

`SHA256SUMS` has the checksum of each file, and [SECURITY.md](SECURITY.md#verify-a-download) says how to check it and its signature.
`.cdx.json` lists what is linked into a binary, `.buildinfo` what it was built with.
"""


def section(changelog, version, rehearsal):
    """The text below the version's headline; None where it has none."""
    heading = r"Unreleased" if rehearsal else rf"\[?{re.escape(version)}\]? - \d{{4}}-\d\d-\d\d"
    match = re.search(rf"(?ms)^## {heading}\n(.*?)(?=^## |\Z)", changelog)
    return match[1].strip() if match and match[1].strip() else None


def main():
    version, rehearsal = sys.argv[1], "--rehearsal" in sys.argv[2:]
    text = section((ROOT / "CHANGELOG.md").read_text(), version, rehearsal)
    if text is None:
        sys.exit(f"CHANGELOG.md has no section `## {'Unreleased' if rehearsal else f'{version} - YEAR-MONTH-DAY'}` with a text in it")
    print(f"# {version}\n\n{text}\n{VERIFY}", end="")


if __name__ == "__main__":
    main()
