"""The unit tests of the rules with other labels of the targets: with those that the Prometheus Operator adds, in a cluster with a name, and without.

A test is written with the labels that show best what it is about. Here each one gets these labels where it has none, and
loses those that it has; what it expects changes with them, and nothing else does.
"""

import re

ADDED = ("namespace", "pod", "service", "container", "endpoint")
SERIES = re.compile(r"(series: ')([^'{]+)\{([^}]*)\}(')")
EXPECTED = re.compile(r"""(labels: '(?:[\w:]*)\{)([^}]+)\}""")
PLACE = " in namespace iam"
CLUSTER = " of cluster west"


def by_namespace(rules):
    """The alerts about an exporter, which are told apart by namespace: those that open the dashboard of a job."""
    return {rule.name for rule in rules if "var-job=" in rule.fields.get("dashboard", "")}


def _with_labels(match):
    start, name, labels, end = match.groups()
    if "namespace=" in labels:
        return match[0]
    instance = re.search(r'instance="([^"]*)"', labels)
    pod = re.sub(r"\W", "-", instance[1]) if instance else "only"
    more = f'namespace="iam",pod="{pod}",service="exporter",container="exporter",endpoint="metrics"'
    return f"{start}{name}{{{labels},{more}}}{end}"


def operator(text, spaced):
    """A file of tests in which every target has the Operator's labels; `spaced` are the alerts that carry the namespace."""
    lines, alert, job = [], None, None
    for line in SERIES.sub(_with_labels, text).splitlines():
        alert = (re.search(r"alertname: (\w+)", line) or [None, alert])[1]
        # An expected list of alerts in one line, or the labels of one in a line of its own.
        if found := re.search(r"exp_labels: \{[^}]*\bjob: ([^,}]+)", line):
            job = found[1]
            if alert in spaced and "namespace:" not in line:
                line = line.replace(f"job: {job}", f"job: {job}, namespace: iam")
        elif "exp_labels:" in line:
            job = None
        if "description:" in line and job and PLACE not in line:
            line = re.sub(rf"\b{job}\b", job + PLACE, line, count=1)

        def expected(match):
            name = re.search(r'alertname="(\w+)"', match[2])
            missing = name and name[1] in spaced and "namespace=" not in match[2]
            return f'{match[1]}{match[2]}{",namespace=" + chr(34) + "iam" + chr(34) if missing else ""}}}'

        lines.append(EXPECTED.sub(expected, line))
    return "\n".join(lines) + "\n"


def clustered(text):
    """A file of tests in which every target is of one cluster; it is in every result that is not one of absence."""
    lines, alert = [], None
    for line in SERIES.sub(r'\1\2{\3,cluster="west"}\4', text).splitlines():
        alert = (re.search(r"alertname: (\w+)", line) or [None, alert])[1]
        line = EXPECTED.sub(lambda match: match[0] if 'alertname="CSPExporterAbsent"' in match[2] else f'{match[1]}{match[2]},cluster="west"}}', line)
        if alert != "CSPExporterAbsent":
            line = re.sub(r"(exp_labels: \{)", r"\1cluster: west, ", line)
            line = re.sub(r"(dashboard: \S+\?\S+)", r"\1&var-cluster=west", line)
        if found := re.search(r"exp_labels: .*\bjob: ([^,}]+)", line):
            job = found[1]
        elif "exp_labels:" in line:
            job = None
        if "description:" in line:
            named = rf"\b{job}({PLACE})?" if job else r"\borganization [\w-]+"
            line = re.sub(named, lambda match: match[0] + CLUSTER, line, count=1)
        lines.append(line)
    return "\n".join(lines) + "\n"


def plain(text):
    """A file of tests in which no target has labels but job and instance."""
    for label in ADDED:
        text = re.sub(rf',{label}="[^"]*"', "", text)
    return text.replace(", namespace: iam", "").replace(PLACE, "")


def write(files, rules, rules_folder, folder):
    """Writes the variants of each file of tests into `folder`, and returns their paths."""
    spaced, written = by_namespace(rules), []
    for file in files:
        text = re.sub(r"(?:\.\./)+(\w+\.yaml)", rf"{rules_folder}/\1", file.read_text(encoding="utf-8"))
        # Where clusters are what it is about, they stay.
        found = {} if "cluster=" in text else {"operator": operator(text, spaced), "plain": plain(text), "clustered": clustered(text)}
        for name, variant in found.items():
            path = folder / f"{file.stem}-{name}.yaml"
            path.write_text(variant, encoding="utf-8")
            written.append(path)
    return written
