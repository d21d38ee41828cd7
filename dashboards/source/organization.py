"""Invitations: one organization."""

from grafana import STATUS_COLORS, bars, colors, column, dashboard, lines, link, merge, query, row, stat, table
from shared import (RAISED, REASON, acceptance_over_time, ages, at_a_glance, by, data_states, freshness, headline, lapsed, lifecycle, poll_failures,
                    time_left, time_to_redeem)


def moment(title, description, family, pick, w=4):
    """A point in time, as seen from now."""
    return stat(title, description, f"{pick}({family}@{{}}) * 1000", w=w, h=3, unit="dateTimeFromNow", gone="none", size=24)


def build():
    """The dashboard."""
    return dashboard(
        "csp-invitations-organization", "Invitations: one organization",
        "Everything about the invitations of one organization, or of the few that are chosen.",
        [link("csp-invitations-overview", "Overview"), link("csp-invitations-health", "API and exporter health")], "now-7d",
        [
            row("At a glance"),
            *at_a_glance(),
            row("Available invitations"),
            *headline(),
            moment("Next expiration", "When the next available invitation expires.", "csp_invitation_next_expiration_timestamp_seconds", "min"),
            moment("Oldest available", "When the oldest available invitation was generated.", "csp_invitation_oldest_pending_timestamp_seconds", "min"),
            moment("Last generated", "When the newest invitation was generated.", "csp_invitation_last_generated_timestamp_seconds", "max"),
            moment("Last redeemed", "When an invitation was last redeemed.", "csp_invitation_last_redeemed_timestamp_seconds", "max"),
            moment("Last revoked", "When an invitation was last revoked.", "csp_invitation_last_revoked_timestamp_seconds", "max"),
            stat("Unknown status", "Invitations whose status word the exporter does not know; they are in no other count.",
                 'sum(max by (<organization>) (csp_decode_anomalies@{kind="unknown_status"}))', w=4, h=3, thresholds=RAISED, gone="no data", size=24,
                 alerts=["CSPUnknownStatus"]),
            ages(8), time_left(8), lapsed(8),
            row("Lifecycle"),
            lifecycle(12), acceptance_over_time(12),
            time_to_redeem(8),
            lines("Invitations by status", "All invitations in the list, each in exactly one status.",
                  [query(by("status", "csp_invitations"), "{{status}}")], w=8, stack=True, overrides=colors(STATUS_COLORS)),
            lines("Privileged, external and duplicate", "Available invitations that carry a privileged role, those to mail domains that are not trusted, and those"
                  " beyond the first for the same person.",
                  [query('sum(max by (<organization>) (csp_invitations_privileged@{status="available"}))', "privileged"),
                   query('sum(max by (<organization>) (csp_invitations_external@{status="available"}))', "external"),
                   query("sum(max by (<organization>) (csp_invitations_duplicate@{}))", "duplicate")], w=8,
                  alerts=["CSPInvitationsPrivilegedPending", "CSPInvitationsExternalPending", "CSPInvitationsDuplicated"]),
            row("Roles and groups"),
            table("Roles", "Invitations that carry each role, once each, by status.",
                  [query(f'sum by (<organization>, role_kind, role) (max by (<organization>, role_kind, role) (csp_invitations_by_role@{{status="{status}"}}))')
                   for status in STATUS_COLORS], w=24, h=9, sort="Available",
                  transformations=merge({"organization": "Organization", "role_kind": "Kind", "role": "Role",
                                         **{f"Value #{letter}": status.capitalize() for letter, status in zip("ABCDE", STATUS_COLORS, strict=True)}})),
            table("Groups", "Invitations that carry each group, once each, by status.",
                  [query(f'max by (<organization>, group_id, group) (csp_invitations_by_group@{{status="{status}"}})') for status in STATUS_COLORS],
                  w=24, h=9, sort="Available",
                  transformations=merge({"organization": "Organization", "group": "Group", "group_id": "Id",
                                         **{f"Value #{letter}": status.capitalize() for letter, status in zip("ABCDE", STATUS_COLORS, strict=True)}})),
            table("Available by role and group", "Pairs of role and group that occur in available invitations. An empty name: without a role or a group.",
                  [query('max by (<organization>, role_kind, role, group_id, group) (csp_invitations_by_role_and_group@{status="available"})')],
                  w=24, h=10, sort="Available", transformations=merge({"organization": "Organization", "role_kind": "Kind", "role": "Role", "group": "Group",
                                                                       "Value": "Available"}, hidden=("Time", "group_id")),
                  overrides=[bars("Available")]),
            table("Group details", "Type and domain of the groups, where groups are expanded.",
                  [query("max by (<organization>, group_id, group, group_type, domain) (csp_group_info@{})")], w=24, h=9,
                  transformations=merge({"organization": "Organization", "group": "Group", "group_id": "Id", "group_type": "Type", "domain": "Domain"},
                                        hidden=("Time", "Value"))),
            row("Data"),
            data_states(8), freshness(8), poll_failures(8),
            table("Identity and schedule", "What the service calls the organization, its id, how often it is polled and how the last poll went.",
                  [query("max by (<organization>, organization_id, display_name) (csp_organization_info@{})"),
                   query("max by (<organization>) (csp_up@{})"),
                   query("max by (<organization>) (csp_poll_interval_seconds@{})"),
                   query("max by (<organization>) (csp_poll_stale_after_seconds@{})"),
                   query("max by (<organization>) (csp_poll_duration_seconds@{})"),
                   query("max by (<organization>) (csp_poll_last_success_timestamp_seconds@{} > 0) * 1000"),
                   query(REASON)], w=24, h=5,
                  transformations=merge({"organization": "Organization", "display_name": "Name", "organization_id": "Id", "Value #B": "Up",
                                         "reason": "Reason", "Value #C": "Interval", "Value #D": "Stale after", "Value #E": "Last poll took", "Value #F": "Last success"},
                                        hidden=("Time", "Value #A", "Value #G")),
                  overrides=[column("Up", unit="bool_yes_no"), column("Interval", unit="s"), column("Stale after", unit="s"),
                             column("Last poll took", unit="s"), column("Last success", unit="dateTimeFromNow")]),
            lines("Oddities of the list", "How many invitations of the last list show each anomaly, and how many roles or groups are inside \"other\".",
                  [query("max by (<organization>, kind) (csp_decode_anomalies@{}) > 0", "{{organization}}: {{kind}}"),
                   query("max by (<organization>, dimension) (csp_exporter_folded_values@{}) > 0", "{{organization}}: folded, {{dimension}}")], w=24, h=6,
                  no_value="none", alerts=["CSPUnknownStatus", "CSPMalformedData", "CSPValuesFolded"]),
        ])
