"""What the checks need to know of PromQL: selectors, grouping labels, and whether promtool can parse it."""

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

PROMTOOL = os.environ.get("PROMTOOL", "promtool")
DASHBOARDS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(DASHBOARDS / "source"))

from targets import APART, EXPORTER, TARGET  # noqa: E402, F401

# Labels of targets, from Prometheus itself and from the Prometheus Operator.
TARGET_LABELS = {*TARGET, "pod", "service", "container", "endpoint"}
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
KEEPING = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")
RECORDED = re.compile(r"\b[a-z_]+:[a-z0-9_]+:[a-z0-9_]+\b")
COUNT_VALUES = re.compile(r'count_values[^"]*"(\w+)"')


@dataclass(frozen=True)
class Selector:
    """One selector: the family's sample name, its matchers by label, its range, and where it starts."""

    name: str
    matchers: dict
    range: str | None
    start: int


def selectors(expression):
    """Every selector of an expression."""
    blank = re.sub(GROUPING, lambda match: " " * len(match[0]), expression)
    found = []
    for match in re.finditer(r'\b((?:csp|process)_\w+|up)\b(?:\{((?:[^}"]|"(?:[^"\\]|\\.)*")*)\})?(?:\[([^\]]+)\])?', blank):
        # A recorded name such as organization:csp_x:max is no selector of a family, and a word in a string is none either.
        if blank[match.start() - 1 : match.start()] == ":" or blank[: match.start()].count('"') % 2:
            continue
        matchers = {label: (operator, value) for label, operator, value in MATCHER.findall(match[2] or "")}
        found.append(Selector(match[1], matchers, match[3], match.start()))
    return found


def grouping_labels(expression):
    """Every label that an aggregation or a join of the expression names."""
    return {label.strip() for group in GROUPING.findall(expression) for label in group.split(",") if label.strip()}


def mixing(expression, named=frozenset()):
    """Aggregations and joins that mix targets which a label of APART tells apart; with `named` those alone that name one of these labels."""
    for group in KEEPING.findall(expression):
        labels = {label.strip() for label in group.split(",") if label.strip()}
        if labels and not labels >= set(APART) and (not named or labels & named):
            yield f"({group}) does not keep {', '.join(sorted(set(APART) - labels))}"


def load_recorded():
    """Labels by name of a recorded series, as the first part of its name says; `exporter` stands for several."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((DASHBOARDS / "rules").glob("*.yaml")))
    level = {"target": TARGET, "exporter": EXPORTER, "all": ()}
    return {name: {*APART, *(label for part in name.split(":")[0].split("_") for label in level.get(part, (part,)))}
            for name in re.findall(r"record: (\S+)", text)}


def load_families():
    """Labels by sample name, from the page of the metrics; a histogram has its classic samples too, and there are the recorded series."""
    page = (DASHBOARDS.parent / "docs" / "metrics.md").read_text(encoding="utf-8")
    # Prometheus itself makes this one.
    samples = {"up": set(), **load_recorded()}
    for name, kind, listed in re.findall(r"(?m)^### `(\w+)`\n+Type: (\w+)[^.]*\. Labels: (.*?)\.$", page):
        labels = set(re.findall(r"`(\w+)`", listed))
        samples[name] = labels
        if kind == "histogram":
            samples |= {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
    return samples


def unknown_names(expression, families):
    """Families and labels of an expression that do not exist."""
    problems, known = [], TARGET_LABELS | set(COUNT_VALUES.findall(expression))
    for selector in selectors(expression):
        if selector.name not in families:
            problems.append(f"no such family: {selector.name}")
            continue
        labels = families[selector.name] | TARGET_LABELS
        known |= labels
        problems += [f"{selector.name} has no label {label}" for label in selector.matchers if label not in labels]
    for name in RECORDED.findall(expression):
        if name not in families:
            problems.append(f"no such recording rule: {name}")
        known |= families.get(name, set())
    problems += [f"no family here has the label {label}" for label in grouping_labels(expression) - known]
    return problems


def labels_of(expression, families):
    """Every label that a result of the expression can have."""
    named = [selector.name for selector in selectors(expression)] + RECORDED.findall(expression)
    return TARGET_LABELS.union(*(families.get(name, set()) for name in named))


def substituted(expression):
    """The expression with Grafana's own variables replaced by values."""
    for variable, value in (("$__rate_interval", "5m"), ("$__interval_ms", "60000"), ("$__interval", "1m"), ("$__range_s", "3600"),
                            ("$__range", "1h")):
        expression = expression.replace(variable, value)
    return expression


def parse_errors(expressions):
    """What promtool says about the expressions, as one rule each."""
    rules = [{"record": f"check:expression:{number}", "expr": substituted(text)} for number, text in enumerate(expressions)]
    with tempfile.TemporaryDirectory() as folder:
        # JSON is YAML.
        file = Path(folder, "rules.json")
        file.write_text(json.dumps({"groups": [{"name": "dashboards", "rules": rules}]}), encoding="utf-8")
        done = subprocess.run([PROMTOOL, "check", "rules", "--lint=none", str(file)], capture_output=True, text=True, check=False)
    return [] if done.returncode == 0 else [done.stdout + done.stderr]
