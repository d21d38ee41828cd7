"""The labels that tell targets apart: the one place where rules and dashboards have them from.

Where Prometheus, or a ruler over many of them, sees targets that differ in another label too, an environment or a region, add it to
APART and run dashboards/build.py. Each organization is then alerted on once in each of them, none hides another, and the dashboards
have a variable for it. Alertmanager's own configuration names the same labels in `group_by` and `equal`.
"""

# What every aggregation and every join keeps.
APART = ("cluster",)
# An exporter: all of its instances.
EXPORTER = (*APART, "job", "namespace")
# One target.
TARGET = (*EXPORTER, "instance")
# An organization, whichever instances show it.
ORGANIZATION = (*APART, "organization")


def names(*labels):
    """Labels as PromQL lists them."""
    return ", ".join(labels)
