#!/usr/bin/env python3
"""Checks dashboards, rules, their tests and the runbooks against each other. Needs Python 3.11 and promtool.

What it proves: the JSON is what source/ describes; the rules of Grafana's dashboard linter hold without exclusions; each
query parses; each family and label exists; each alert has a runbook, a firing and a silent test, and a panel that names
it and shows its signal; each runbook belongs to an alert, and one about invitations ends in the command that lists the people; every
aggregation keeps clusters apart; the rules are clean and their tests pass, as they are written, with the labels that the Prometheus
Operator adds to targets, with a cluster, and without either; the arithmetic of the overview is right for a pair of exporters and
for a moved pod. `--quick` leaves out what promtool tests; PROMTOOL names another one.
"""

import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from checks import linter, promql, queries, rules, variants  # noqa: E402
from checks.promql import PROMTOOL  # noqa: E402


def run(*command):
    """A command's output if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [] if done.returncode == 0 else [f"{' '.join(command[:3])}:\n{done.stdout}{done.stderr}"]


def knows_native_histograms():
    """Whether promtool can read native histograms in a test's series, as of 2.49."""
    output = subprocess.run([PROMTOOL, "--version"], capture_output=True, text=True, check=False)
    version = re.search(r"version (\d+)\.(\d+)", output.stdout + output.stderr)
    return version is not None and (int(version[1]), int(version[2])) >= (2, 49)


def unit_tests(dashboards):
    """Problems of the unit tests of the rules, in each of their variants, and of the dashboards' arithmetic."""
    folder = HERE / "rules" / "tests"
    files = sorted(folder.glob("*.yaml")) + (sorted((folder / "native").glob("*.yaml")) if knows_native_histograms() else [])
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor() as pool:
        files += variants.write(files, rules.read(rules.RULES / "alerts.yaml"), rules.RULES, Path(temporary))
        files.append(Path(temporary, "dashboards.yaml"))
        files[-1].write_text(queries.cases(dashboards), encoding="utf-8")
        return [problem for found in pool.map(lambda file: run(PROMTOOL, "test", "rules", str(file)), files) for problem in found]


def main():
    families = promql.load_families()
    dashboards = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(HERE.glob("*.json"))]
    uids = {dashboard["uid"] for dashboard in dashboards}
    problems = [] if len(families) > 50 else ["docs/metrics.md: its families cannot be read"]
    problems += run(sys.executable, str(HERE / "build.py"), "--check")
    expressions = []
    for dashboard in dashboards:
        problems += [f"{dashboard['title']}: {problem}" for problem in linter.lint(dashboard, families, uids)]
        expressions += [target["expr"] for item in linter.panels_of(dashboard) for target in item["targets"]]
        for annotation in dashboard["annotations"]["list"]:
            if "expr" in annotation:
                expressions.append(annotation["expr"])
                problems += [f"{annotation['name']}: {problem}" for problem in promql.unknown_names(annotation["expr"], families)]
        expressions += [re.fullmatch(r"label_values\((.+), \w+\)", variable["query"]["query"])[1]
                        for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
    for page, expression in rules.runbook_queries():
        expressions.append(expression)
        problems += [f"{page}: {problem}" for problem in promql.unknown_names(expression, families)]
    problems += promql.parse_errors(expressions)
    problems += rules.check(dashboards, families)
    files = [str(path) for path in sorted((HERE / "rules").glob("*.yaml"))]
    problems += run(PROMTOOL, "check", "rules", "--lint=all", "--lint-fatal", *files)
    if "--quick" not in sys.argv[1:]:
        problems += unit_tests(dashboards)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(dashboards)} dashboards, {len(expressions)} queries, {len(problems)} problems")
    return 1 if problems or len(dashboards) != 3 else 0


if __name__ == "__main__":
    sys.exit(main())
