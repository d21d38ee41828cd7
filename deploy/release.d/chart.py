#!/usr/bin/env python3
"""The chart as Helm packs it, with the same bytes each time: chart.py VERSION OUTPUT. Needs `helm-python-sdk` from PyPI."""

import sys
import tarfile
import tempfile
from pathlib import Path

import helm_python

from archive import NAME, ROOT, Entry, compress, tar

CHART = ROOT / "deploy/helm" / NAME


def main():
    version, output = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        packed = helm_python.package(CHART, destination=folder, version=version, app_version=version)
        # Helm writes the time of packing into it.
        with tarfile.open(packed) as archive:
            entries = [Entry(member.name, archive.extractfile(member).read()) for member in archive if member.isfile()]
    Path(output).write_bytes(compress(tar(entries)))


if __name__ == "__main__":
    main()
