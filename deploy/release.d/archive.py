"""Archives whose bytes depend on their content alone: sorted, of one time, owned by root unless said otherwise."""

import gzip
import io
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path

NAME = "csp-invitations-exporter"
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Entry:
    """A file, or a folder where `content` is None."""

    path: str
    content: bytes | None
    mode: int = 0o644
    owner: int = 0


def epoch():
    """The time of everything in a release: that of its commit (https://reproducible-builds.org/specs/source-date-epoch)."""
    return int(os.environ["SOURCE_DATE_EPOCH"])


def tar(entries):
    """A tar archive of the entries, with the folders above them."""
    everything = {entry.path: entry for entry in entries}
    for path in list(everything):
        for parent in Path(path).parents[:-1]:
            everything.setdefault(str(parent), Entry(str(parent), None, 0o755))
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, entry in sorted(everything.items()):
            info = tarfile.TarInfo(path)
            info.mode, info.mtime, info.uid, info.gid = entry.mode, epoch(), entry.owner, entry.owner
            if entry.content is None:
                info.type = tarfile.DIRTYPE
            else:
                info.size = len(entry.content)
            archive.addfile(info, io.BytesIO(entry.content or b""))
    return out.getvalue()


def compress(data):
    """gzip without a name or a time of its own."""
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=out, mtime=0) as stream:
        stream.write(data)
    return out.getvalue()
