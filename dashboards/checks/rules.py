"""Each alert has a runbook, a firing and a silent test, and a panel that shows its signal; each runbook belongs to an alert."""

import re
from dataclasses import dataclass

from checks.linter import panels_of
from checks.promql import APART, DASHBOARDS, RECORDED, grouping_labels, labels_of, mixing, selectors, unknown_names

RULES = DASHBOARDS / "rules"
RUNBOOKS = DASHBOARDS.parent / "docs" / "runbooks"
BASE = "https://github.com/example/csp-invitations-exporter/blob/main/docs/runbooks/"
GRAFANA = "https://grafana.example.com/d/"
SECTIONS = ["Meaning", "Impact", "How to look", "What to do", "When it is harmless"]
ALERTMANAGER = DASHBOARDS.parent / "deploy" / "alertmanager" / "alertmanager.yml"


@dataclass
class Rule:
    """A rule, as far as the checks read it."""

    name: str
    kind: str
    expression: str
    fields: dict


def read(path):
    """The rules of a file. Reads the plain style that the two files are written in, not YAML at large."""
    rules = []
    for chunk in re.split(r"(?m)^      - (?=alert: |record: )", path.read_text(encoding="utf-8"))[1:]:
        chunk = re.sub(r"(?m)^\s*#.*\n", "", chunk)
        kind, name = re.match(r"(alert|record): (\S+)", chunk).groups()
        block = re.search(r"(?m)^        expr: \|2-\n((?:          .*\n?|\n)+)", chunk)
        expression = block[1] if block else re.search(r"(?m)^        expr: (.*)$", chunk)[1].strip("'")
        fields = {key: value.strip("'").replace("''", "'") for key, value in re.findall(r"(?m)^ {8,10}(\w+): (\S.*)$", chunk)}
        rules.append(Rule(name, kind, expression, fields))
    return rules


def tested():
    """The alerts that have a firing case, and those that have a silent one."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((RULES / "tests").glob("*.yaml")))
    firing = set(re.findall(r"alertname: (\w+)\n\s+exp_alerts:\n", text)) | set(re.findall(r"""labels: '[^']*alertname="(\w+)",alertstate="firing\"""", text))
    silent = set(re.findall(r"alertname: (\w+),? *\n?\s*exp_alerts: \[\]", text))
    for pattern in re.findall(r'alertname=~?"([^"]+)"[^\n]*exp_samples: \[\]', text):
        silent |= {name for name in (rule.name for rule in read(RULES / "alerts.yaml")) if re.fullmatch(pattern, name)}
    return firing, silent


def annotations(rule, uids, families):
    """Problems of an alert's labels and annotations."""
    fields = rule.fields
    if fields.get("severity") not in {"critical", "warning", "info"}:
        yield "needs a severity"
    if not fields.get("summary") or "{{" in fields["summary"]:
        yield "needs a summary without a template"
    # What is absent has no labels and no value to tell.
    if "{{" not in fields.get("description", "") and not rule.expression.startswith("absent"):
        yield "needs a description with a template"
    if "First " not in fields.get("description", ""):
        yield "its description does not say what to do first"
    if fields.get("runbook_url") != f"{BASE}{rule.name}.md":
        yield "needs its runbook_url"
    if fields.get("dashboard", "").removeprefix(GRAFANA).split("?")[0] not in uids:
        yield "needs a link to a dashboard"
    available = grouping_labels(rule.expression) or labels_of(rule.expression, families)
    for label in set(re.findall(r"\$labels\.(\w+)", fields.get("description", "") + fields.get("dashboard", ""))):
        if label not in available:
            yield f"names the label {label}, which its result does not have"


def runbook_queries():
    """The queries of the runbooks by page: one starts at each line of a promql block that is neither indented nor a closing bracket."""
    for path in sorted(RUNBOOKS.glob("*.md")):
        for block in re.findall(r"(?s)```promql\n(.*?)```", path.read_text(encoding="utf-8")):
            yield from ((path.name, query.strip()) for query in re.split(r"\n(?=[^\s)])", block) if query.strip())


def alertmanager():
    """Lists of labels of the Alertmanager configuration that lack what tells targets apart."""
    for kind, listed in re.findall(r"(?m)^ *(group_by|equal): \[(.*)\]$", ALERTMANAGER.read_text(encoding="utf-8")):
        if missing := set(APART) - {label.strip() for label in listed.split(",")}:
            yield f"{ALERTMANAGER.name}: {kind}: [{listed}] lacks {', '.join(sorted(missing))}"


def listed_people(page):
    """A page about invitations ends its look in the command that lists these people, and in the same one inside a pod."""
    look = page.partition("## How to look\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```(\w+)\n(.*?)```", look, re.S)
    here, _, pod = blocks[-1][1].partition("\nkubectl exec ") if blocks and blocks[-1][0] == "sh" else ("", "", "")
    filters = re.fullmatch(r"csp-invitations-exporter list --config\.file config\.yaml (--organization acme --.+)", here)
    return filters is not None and pod.rstrip().endswith(f" -- /csp-invitations-exporter list {filters[1]}")


def check(dashboards, families):
    """Every problem of the rules, their tests, runbooks and panels."""
    recorded = {rule.name: rule for rule in read(RULES / "recording.yaml")}
    alerts = read(RULES / "alerts.yaml")
    uids = {dashboard["uid"] for dashboard in dashboards}
    firing, silent = tested()
    problems = []
    for rule in [*recorded.values(), *alerts]:
        problems += [f"{rule.name}: {problem}" for problem in unknown_names(rule.expression, families)]
        problems += [f"{rule.name}: {problem}" for problem in mixing(rule.expression)]
    for rule in alerts:
        whole = " ".join([rule.expression, *(recorded[name].expression for name in RECORDED.findall(rule.expression) if name in recorded)])
        signal = {selector.name.removesuffix("_bucket") for selector in selectors(whole)}
        problems += [f"{rule.name}: {problem}" for problem in annotations(rule, uids, families)]
        if rule.name not in firing:
            problems.append(f"{rule.name}: no test in which it fires")
        if rule.name not in silent:
            problems.append(f"{rule.name}: no test in which it is silent")
        if not (RUNBOOKS / f"{rule.name}.md").is_file():
            problems.append(f"{rule.name}: no runbook")
        shown = [item for dashboard in dashboards for item in panels_of(dashboard) if re.search(rf"\b{rule.name}\b", item["description"])]
        if not any(signal & {selector.name.removesuffix("_bucket") for target in item["targets"] for selector in selectors(target["expr"])} for item in shown):
            problems.append(f"{rule.name}: no panel names it and shows its signal")
    problems += alertmanager()
    names = {rule.name for rule in alerts}
    for dashboard in dashboards:
        for item in panels_of(dashboard):
            claimed = re.search(r" Alerts: ([\w, ]+)\.$", item["description"])
            problems += [f"{item['title']!r} names {name}, which is no alert" for name in (claimed[1].split(", ") if claimed else []) if name not in names]
    problems += [f"{path.name}: a runbook without an alert" for path in sorted(RUNBOOKS.glob("*.md")) if path.stem not in names | {"README"}]
    listed = re.findall(r"(?m)^- \[(\w+)\]\(\1\.md\)$", (RUNBOOKS / "README.md").read_text(encoding="utf-8"))
    if listed != [rule.name for rule in alerts]:
        problems.append("README.md of the runbooks does not list each alert once, in the order of the rules")
    for path in sorted(RUNBOOKS.glob("CSP*.md")):
        text = path.read_text(encoding="utf-8")
        if re.findall(r"(?m)^## (.+)$", text) != SECTIONS or not text.startswith(f"# {path.stem}\n"):
            problems.append(f"{path.name}: needs its title and the sections {', '.join(SECTIONS)}")
        if path.stem.startswith("CSPInvitations") and not listed_people(text):
            problems.append(f"{path.name}: *How to look* does not end in the command that lists the people, with kubectl exec beside it")
        problems += [f"{path.name}: links to {name}, which is not there" for name in re.findall(r"\]\((\w+\.md)(?:#[\w-]+)?\)", text) if not (RUNBOOKS / name).is_file()]
    return problems
