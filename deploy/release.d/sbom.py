#!/usr/bin/env python3
"""What is linked into a binary, as a CycloneDX 1.6 document: sbom.py BINARY METADATA BUILDINFO OUTPUT.

The crates are read out of the binary itself, where `cargo auditable` has written them: of all that the lock file names, only what was
compiled in. `cargo metadata` knows their licenses, Cargo.lock their checksums. The C library, the compiler's runtime and Rust's standard
library are linked too; their versions are those of the packages in the build information.

https://cyclonedx.org/docs/1.6/json/, https://github.com/rust-secure-code/cargo-auditable/blob/master/PARSING.md
"""

import hashlib
import json
import re
import struct
import sys
import tomllib
import uuid
import zlib
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from archive import NAME, ROOT, epoch

# What Debian's packages of the toolchain bring into a static binary.
RUNTIMES = {
    "amd64": {"glibc": r"libc6-dev(:amd64)?", "libgcc": r"libgcc-\d+-dev(:amd64)?", "rust-std": r"libstd-rust-dev(:amd64)?"},
    "arm64": {"glibc": r"libc6-dev-arm64-cross", "libgcc": r"libgcc-\d+-dev-arm64-cross", "rust-std": r"libstd-rust-dev:arm64"},
}
LICENSES = {
    "glibc": "LGPL-2.1-or-later",
    "libgcc": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "rust-std": "MIT OR Apache-2.0",
}
MACHINES = {62: "amd64", 183: "arm64"}


def section(elf, wanted):
    """A section of a 64-bit little-endian ELF file (elf(5)), and the architecture that the file is for."""
    if elf[:6] != b"\x7fELF\x02\x01":
        sys.exit("not a 64-bit little-endian ELF file")
    (machine,) = struct.unpack_from("<H", elf, 18)
    (table,) = struct.unpack_from("<Q", elf, 40)
    size, count, names = struct.unpack_from("<HHH", elf, 58)
    headers = [struct.unpack_from("<IIQQQQ", elf, table + number * size) for number in range(count)]
    start = headers[names][4]
    for name, _, _, _, offset, length in headers:
        if elf[start + name : elf.index(b"\0", start + name)].decode() == wanted:
            return elf[offset : offset + length], MACHINES[machine]
    sys.exit(f"the binary has no section {wanted}: it was not built by cargo auditable")


def crates(audit, metadata, lock):
    """Each crate that was compiled in, as a component, with the references of those that it uses."""
    described = {(one["name"], one["version"]): one for one in metadata["packages"]}
    checksums = {(one["name"], one["version"]): one.get("checksum") for one in lock["package"]}
    packages = audit["packages"]
    for package in packages:
        if package.get("kind", "runtime") != "runtime":
            continue
        key = (package["name"], package["version"])
        component = {
            "type": "application" if package.get("root") else "library",
            "bom-ref": reference(package),
            "name": package["name"],
            "version": package["version"],
            "purl": reference(package),
        }
        if license := described.get(key, {}).get("license"):
            # The older way to write it is none that the standard knows.
            component["licenses"] = [{"expression": license.replace("/", " OR ")}]
        if checksum := checksums.get(key):
            component["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        uses = [packages[number] for number in package.get("dependencies", [])]
        yield component, [reference(one) for one in uses if one.get("kind", "runtime") == "runtime"]


def reference(package):
    """How the package is called everywhere (https://github.com/package-url/purl-spec)."""
    return f"pkg:cargo/{package['name']}@{package['version']}"


def runtimes(arch, buildinfo):
    """What is linked and no crate."""
    for name, pattern in RUNTIMES[arch].items():
        found = re.search(rf"(?m)^(?P<package>{pattern})=(?P<version>.*)$", buildinfo)
        if not found:
            sys.exit(f"the build information has no package {pattern}")
        package, _, of = found["package"].partition(":")
        version, purl = found["version"], f"pkg:deb/debian/{package}@{quote(found['version'])}?arch={of or 'all'}"
        yield {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl, "licenses": [{"expression": LICENSES[name]}]}


def document(binary, metadata, buildinfo):
    """The whole document."""
    data, arch = section(binary, ".dep-v0")
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    linked = list(crates(json.loads(zlib.decompress(data)), metadata, lock))
    root, uses = next((component, uses) for component, uses in linked if component["name"] == NAME)
    others = [component for component, _ in linked if component is not root]
    others += runtimes(arch, buildinfo)
    references = {one["bom-ref"] for one in others} | {root["bom-ref"]}
    dependencies = {component["bom-ref"]: sorted(set(uses) & references) for component, uses in linked}
    dependencies[root["bom-ref"]] += [one["bom-ref"] for one in others if one["purl"].startswith("pkg:deb/")]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # One binary, one number.
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, hashlib.sha256(binary).hexdigest())}",
        "version": 1,
        "metadata": {"timestamp": datetime.fromtimestamp(epoch(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "component": root},
        "components": sorted(others, key=lambda one: one["bom-ref"]),
        "dependencies": [{"ref": ref, "dependsOn": on} for ref, on in sorted(dependencies.items())],
    }


def main():
    binary, metadata, buildinfo, output = (Path(argument) for argument in sys.argv[1:])
    made = document(binary.read_bytes(), json.loads(metadata.read_text()), buildinfo.read_text())
    output.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
