#!/usr/bin/env python3
"""Writes the three dashboards and the rules from `source/`; with --check only says whether they are up to date.

The JSON and YAML files are the product and are complete on their own. They are generated because a panel's layout, colors and
selectors repeat many times, because one query has to be right for moved pods, pairs of exporters and both kinds of
histograms in each place, and because every rule and panel has to keep the same labels of targets.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "source"))
sys.dont_write_bytecode = True

import alerting  # noqa: E402
import health  # noqa: E402
import organization  # noqa: E402
import overview  # noqa: E402

FILES = {"invitations-overview.json": overview, "invitations-organization.json": organization, "csp-api-and-exporter.json": health}


def main():
    wanted = {name: json.dumps(module.build(), indent=2, ensure_ascii=False) + "\n" for name, module in FILES.items()}
    wanted |= {f"rules/{name}": text for name, text in alerting.build().items()}
    stale = []
    for name, text in wanted.items():
        path = HERE / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
    if stale and "--check" in sys.argv[1:]:
        sys.exit(f"not what source/ describes: {', '.join(stale)}; run dashboards/build.py")
    print(", ".join(stale) or "up to date")


if __name__ == "__main__":
    main()
