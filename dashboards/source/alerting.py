"""Expands the short forms of the rules in `rules/`, so that labels and links are right in each of them.

In expressions `<apart>`, `<exporter>`, `<target>` and `<organization>` are the lists of labels of targets.py; in texts `<the exporter>`
and `<the organization>` name one, and `<health of …>` or `<invitations of …>` is the dashboard to open. Each alert gets its runbook.
`<instances>` is the number of instances that count the events of an organization, `<later>` what one age after the other needs.
"""

import re
from pathlib import Path

from targets import APART, EXPORTER, ORGANIZATION, TARGET, names

SOURCE = Path(__file__).resolve().parent / "rules"
RUNBOOKS = "https://github.com/example/csp-invitations-exporter/blob/main/docs/runbooks/"
GRAFANA = "https://grafana.example.com/d/"
GENERATED = "# Written by dashboards/build.py from dashboards/source/rules, which has the labels of targets from dashboards/source/targets.py.\n#\n"

_PLACE = "".join(f"{{{{ with $labels.{label} }}}} of {label} {{{{ . }}}}{{{{ end }}}}" for label in APART)
_VARIABLES = "".join(f"{{{{ with $labels.{label} }}}}&var-{label}={{{{ . | urlquery }}}}{{{{ end }}}}" for label in APART)


def _link(dashboard, label):
    return f"'{GRAFANA}{dashboard}?var-{label}={{{{ $labels.{label} | urlquery }}}}{_VARIABLES}'"


# Where each age of csp_invitations_pending_by_age begins that does not begin at 0, in seconds: these are bounds of the classic buckets too.
AGES = {"1-3d": 86400, "3-7d": 259200, "7-30d": 604800, "30d+": 2592000}


def _later(age, seconds):
    """Redemptions of the last 30 days at this age or later: from classic buckets, or from native histograms, or none."""
    recorded = "csp_invitation_redemption_duration_seconds:increase30d"
    return f"""label_replace(
                sum by (<organization>) (organization_le:{recorded}{{le="+Inf"}}) - sum by (<organization>) (organization_le:{recorded}{{le=~"{seconds}([.]0)?"}})
              or
                histogram_count(organization:{recorded}) * (1 - histogram_fraction(0, {seconds}, organization:{recorded})) >= 0
              or
                0 * sum by (<organization>) (organization_event:csp_invitation_events:increase30d),
              "age", "{age}", "", ""
            )"""


FORMS = {
    "<instances>": "max by (<organization>) (count by (<organization>, event) (last_over_time(csp_invitation_events_total[5m])))",
    "<ages>": "|".join(map(str, AGES.values())),
    "<later>": "\n            or\n            ".join(_later(age, seconds) for age, seconds in AGES.items()),
    "<apart>": names(*APART),
    "<exporter>": names(*EXPORTER),
    "<target>": names(*TARGET),
    "<organization>": names(*ORGANIZATION),
    "<the exporter>": "{{ $labels.job }}{{ with $labels.namespace }} in namespace {{ . }}{{ end }}" + _PLACE,
    "<the organization>": "organization {{ $labels.organization }}" + _PLACE,
    "<health of the exporter>": _link("csp-invitations-health", "job"),
    "<health of the organization>": _link("csp-invitations-health", "organization"),
    "<invitations of the organization>": _link("csp-invitations-organization", "organization"),
}


def build():
    """The files of rules, as text by name."""
    found = {}
    for path in sorted(SOURCE.glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        for short, full in FORMS.items():
            text = text.replace(short, full)
        parts = re.split(r"(?m)^(?=      - alert: )", text)
        parts[1:] = [re.sub(r"(?m)^( +)(?=dashboard: )", rf"\1runbook_url: {RUNBOOKS}{part.split(maxsplit=3)[2]}.md\n\1", part) for part in parts[1:]]
        found[path.name] = GENERATED + "".join(parts)
    return found
