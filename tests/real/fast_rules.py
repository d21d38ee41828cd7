"""The rules of the product as they are, but every duration in them divided by one factor."""

import re

from exporter import ROOT, require

RULES = ROOT / "dashboards/rules"
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
# Where a rule states a duration in PromQL's syntax.
STATED = re.compile(r"((?:\bfor|\bkeep_firing_for|\binterval): |\[|\boffset )(\d+)([smhdw])\b")
# Where a rule compares or limits seconds with a number. Every other number must be one of PLAIN.
COMPARED = ["> 120", "< 3600", "< 14 * 86400", "< 2 * 86400", "p95_15m > 10", ", 300"]
PLAIN = {"0", "0.001", "0.05", "0.1", "0.5", "0.6", "0.8", "0.9", "0.95", "1", "2", "20"}
# How old invitations are: what the data says is as slow as ever.
AGES = r"histogram_fraction\(0, \d+,"
TEXT = re.compile(r"^\s*(- )?(alert|record|summary|description|runbook_url|dashboard|severity|name): |^\s*#")


def names():
    """Every alert there is."""
    return re.findall(r"(?m)^ +- alert: (\w+)$", (RULES / "alerts.yaml").read_text())


def sped_up(text, factor):
    """The rules of a file with its durations divided by `factor`."""

    def shorter(match):
        seconds = int(match[2]) * SECONDS[match[3]] / factor
        require(seconds == int(seconds) >= 1, f"{match[0]} divided by {factor} is no whole second")
        return f"{match[1]}{int(seconds)}s"

    lines = []
    for line in text.splitlines():
        if not TEXT.match(line):
            line = STATED.sub(shorter, line)
            for comparison in COMPARED:
                if comparison in line:
                    line = line.replace(comparison, f"{comparison} / {factor}")
            rest = re.sub(rf'"[^"]*"|\[\d+s\]|\boffset \d+s|(for|interval): \d+s|{AGES}', "", line)
            for comparison in COMPARED:
                rest = rest.replace(f"{comparison.removeprefix('p95_15m ')} / {factor}", "")
            unknown = set(re.findall(r"(?<![\w.:])\d+(?:\.\d+)?(?![\w.])", rest)) - PLAIN
            require(not unknown, f"say in {__file__} whether {unknown} is a duration: {line.strip()}")
        lines.append(line)
    return "\n".join(lines) + "\n"


def write(folder, factor):
    """Writes the sped-up copy of every file of rules into `folder`."""
    found = ""
    for path in sorted(RULES.glob("*.yaml")):
        text = sped_up(path.read_text(), factor)
        (folder / path.name).write_text(text)
        found += text
    for comparison in COMPARED:
        require(f"{comparison} / {factor}" in found, f"no rule has {comparison!r} any more")
