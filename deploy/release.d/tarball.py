#!/usr/bin/env python3
"""The archive for people without Debian and without containers: tarball.py VERSION ARCH BINARY MANUAL-FOLDER OUTPUT."""

import sys
from pathlib import Path

from archive import NAME, ROOT, Entry, compress, tar

# Where in the archive the repository's files go.
FILES = {
    "": ["README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md"],
    "examples": ["examples/*.yaml"],
    "systemd": ["deploy/systemd/*"],
    "dashboards": ["dashboards/*.json", "dashboards/README.md"],
    "dashboards/rules": ["dashboards/rules/*.yaml"],
    "docs": ["docs/*.md"],
    "docs/runbooks": ["docs/runbooks/*.md"],
    "docs/images": ["docs/images/*"],
}
MANUAL = {
    f"{NAME}.1": "man/man1",
    f"{NAME}.bash": "completions",
    f"_{NAME}": "completions",
    f"{NAME}.fish": "completions",
}


def entries(top, binary, manual):
    """Everything that the archive holds, below the folder `top`."""
    yield Entry(f"{top}/{NAME}", binary.read_bytes(), 0o755)
    for folder, patterns in FILES.items():
        for pattern in patterns:
            found = sorted(ROOT.glob(pattern))
            if not found:
                sys.exit(f"nothing is called {pattern}")
            yield from (Entry(str(Path(top, folder, path.name)), path.read_bytes()) for path in found)
    for name, folder in MANUAL.items():
        yield Entry(f"{top}/{folder}/{name}", (manual / name).read_bytes())


def main():
    version, arch, binary, manual, output = sys.argv[1:]
    packed = compress(tar(entries(f"{NAME}-{version}.linux-{arch}", Path(binary), Path(manual))))
    Path(output).write_bytes(packed)


if __name__ == "__main__":
    main()
