"""Invitations: overview, for the team that invites people."""

from grafana import (EVENT_COLORS, GREEN, ORANGE, RED, STATUS_COLORS, YELLOW, bar_gauge, bars, colors, column, dashboard, drill_down, lines, link,
                     merge, query, row, steps, table)
from shared import (ACCEPTED, acceptance_over_time, ages, at_a_glance, by, data_states, events, headline, lapsed, lifecycle, per_organization,
                    time_left, time_to_redeem)


# More than all other trouble of an organization adds up to.
MISSING = 1_000_000


def organizations():
    """The table of organizations, trouble first."""
    available = per_organization("csp_invitations", 'status="available"')
    soon = per_organization("csp_invitations_pending_by_time_left", 'time_left=~"0-1h|1-24h"')
    lost = per_organization("csp_invitations_lapsed_by_age", 'age=~"0-1d|1-3d|3-7d"')
    privileged = per_organization("csp_invitations_privileged", 'status="available"')
    external = per_organization("csp_invitations_external", 'status="available"')
    duplicate = per_organization("csp_invitations_duplicate")
    missing = ('(max by (<organization>) (csp_organization_data_state@{state=~"withdrawn|waiting"})'
               ' - on (<organization>) max by (<organization>) (csp_organization_data_state@{state=~"fresh|held"}) > bool 0)')
    # Each part is there for every organization, so that the sum is: what an organization lacks counts as 0.
    every = "0 * max by (<organization>) (csp_poll_interval_seconds@{})"
    trouble = " + ".join(f"{weight} * ({part} or {every})" for weight, part in
                         ((MISSING, missing), (10, privileged), (10, external), (5, lost), (2, soon), (1, duplicate)))
    accepted = "organization:csp_invitation_acceptance:ratio_7d&{}"
    unhealthy = steps((GREEN, None), (YELLOW, 1), (ORANGE, 20), (RED, MISSING))
    no_data = {"type": "range", "options": {"from": MISSING, "to": None, "result": {"text": "no data", "index": 0}}}
    raised = {"mode": "absolute", "steps": [{"color": "transparent", "value": None}, {"color": ORANGE, "value": 1}]}
    flagged = {"custom__cellOptions": {"type": "color-background", "mode": "basic"}, "thresholds": raised, "color": {"mode": "thresholds"}}
    return table("Organizations, trouble first",
                 "One row per organization. Trouble says where data is missing, and else adds 10 for each available invitation that is privileged or external, 5"
                 " for each person lost this week, 2 for each invitation that expires within a day and 1 for each duplicate. Acceptance is that of the last"
                 " seven days. An organization without data shows no counts. Select a name to open it.",
                 [query(part) for part in (trouble, available, soon, lost, accepted, privileged, external, duplicate)], w=24, h=10, sort="Trouble",
                 transformations=merge({"organization": "Organization", "Value #A": "Trouble", "Value #B": "Available", "Value #C": "Expiring in a day",
                                        "Value #D": "Lapsed in a week", "Value #E": "Acceptance", "Value #F": "Privileged", "Value #G": "External",
                                        "Value #H": "Duplicates"}),
                 overrides=[
                     column("Organization", links=[drill_down("__value.text")]),
                     column("Acceptance", unit="percentunit", decimals=0, custom__cellOptions={"type": "color-text"}, color={"mode": "thresholds"},
                            thresholds=ACCEPTED),
                     column("Trouble", custom__cellOptions={"type": "color-background", "mode": "basic"}, thresholds=unhealthy,
                            color={"mode": "thresholds"}, mappings=[no_data]),
                     *(column(name, **flagged) for name in ("Expiring in a day", "Lapsed in a week", "Privileged", "External", "Duplicates")),
                 ])


def build():
    """The dashboard."""
    return dashboard(
        "csp-invitations-overview", "Invitations: overview",
        "Who is invited, who is waiting, who was lost: the invitations of all organizations.",
        [link("csp-invitations-organization", "One organization"), link("csp-invitations-health", "API and exporter health")], "now-7d",
        [
            row("At a glance"),
            *at_a_glance(),
            row("Organizations"),
            organizations(),
            data_states(24, 6),
            row("Available invitations"),
            *headline(),
            ages(8), time_left(8), lapsed(8),
            row("Lifecycle"),
            lifecycle(12), acceptance_over_time(12),
            time_to_redeem(8),
            bar_gauge("Funnel", "What became of invitations in the chosen time: how many were generated, and how many were redeemed, expired,"
                      " revoked or vanished meanwhile.",
                      [query(events(event), event, instant=True) for event in EVENT_COLORS], w=8, decimals=0, minimum=0, overrides=colors(EVENT_COLORS)),
            lines("Invitations by status", "All invitations in the lists, each in exactly one status.",
                  [query(by("status", "csp_invitations"), "{{status}}")], w=8, stack=True, overrides=colors(STATUS_COLORS)),
            row("Roles and groups"),
            table("Available by role", "The roles that available invitations carry. An invitation counts once for each of its roles.",
                  [query('sum by (role_kind, role) (max by (<organization>, role_kind, role) (csp_invitations_by_role@{status="available"})) > 0')],
                  w=12, h=10, sort="Available", transformations=merge({"role_kind": "Kind", "role": "Role", "Value": "Available"}),
                  overrides=[bars("Available")]),
            table("Available by group", "The groups that available invitations carry, by name.",
                  [query('sum by (group) (max by (<organization>, group_id, group) (csp_invitations_by_group@{status="available"})) > 0')], w=12, h=10,
                  sort="Available", transformations=merge({"group": "Group", "Value": "Available"}), overrides=[bars("Available")]),
            table("Available by role and group", "Pairs of role and group that occur in available invitations. An empty name: without a role or a group.",
                  [query('sum by (role_kind, role, group) (max by (<organization>, role_kind, role, group_id, group)'
                         ' (csp_invitations_by_role_and_group@{status="available"}))')], w=24, h=10, sort="Available",
                  transformations=merge({"role_kind": "Kind", "role": "Role", "group": "Group", "Value": "Available"}),
                  overrides=[bars("Available")]),
        ])
