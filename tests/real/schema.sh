#!/usr/bin/env bash
# The dashboards against the types that Grafana publishes, strict. Needs npm; its packages stay in the folder of the check.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../dashboards/schema"
if ! cmp --silent package-lock.json node_modules/.installed; then
    npm ci --no-progress
    cp package-lock.json node_modules/.installed
fi
# First that it notices: a wrong type, a property that Grafana does not know, an override that does not exist.
wrong=$(mktemp -d)
trap 'rm -rf "$wrong"' EXIT
breaks() {
    python3 - "$1" "$wrong/dashboard.json" <<'PYTHON'
import json
import sys

with open("../invitations-overview.json", encoding="utf-8") as file:
    dashboard = json.load(file)
first = next(panel for panel in dashboard["panels"] if panel["type"] == "stat")
exec(sys.argv[1], {"dashboard": dashboard, "panel": first})
with open(sys.argv[2], "w", encoding="utf-8") as file:
    json.dump(dashboard, file)
PYTHON
    if node validate.mjs "$wrong" 2>/dev/null; then
        echo "a broken dashboard is taken: $1"
        exit 1
    fi
}
breaks 'dashboard["title"] = 5'
breaks 'dashboard["colour"] = "red"'
breaks 'panel["options"]["graphMode"] = "columns"'
breaks 'panel["fieldConfig"]["overrides"] = [{"matcher": {"id": "byName", "options": "x"}, "properties": [{"id": "units", "value": "s"}]}]'
exec node validate.mjs
