"""CSP API and exporter health, for the team that runs the exporter."""

from grafana import (BLUE, GREEN, GREY, OF_EXPORTER, OF_ITS_JOB, ORANGE, POLLED, RED, WHERE, YELLOW, colors, column, dashboard, drill_down, heatmap, lines,
                     link, merge, quantile, query, row, stat, steps, table)
from shared import ALARMING, OF_THE_OLDEST, OLDEST, REASON, age, data_states, failing, freshness, poll_failures


def share(reason=""):
    """Failed requests as a share of all, where there were any. One can fail in a later step than it began in."""
    return (f"clamp_max(sum(rate(csp_api_request_failures_total#{{{reason}}}[$__rate_interval]))"
            " / (sum(rate(csp_api_requests_total#{}[$__rate_interval])) > 0), 1)")


def waiting():
    """The time that requests waited as a share of that and the time of the requests themselves, from classic or native histograms."""
    duration, window = "csp_api_request_duration_seconds", "[$__rate_interval]"
    waited = f"sum(rate(csp_api_throttle_wait_seconds_total#{{}}{window}))"
    taken = f"(sum(rate({duration}_sum#{{}}{window})) or sum(histogram_sum(rate({duration}#{{}}{window}))))"
    return f"{waited} / ({waited} + {taken} > 0)"


def organizations():
    """Failing organizations first."""
    return table(
        "Organizations, failing first",
        "One row per organization: whether the last poll failed on every instance, and for which reason; how old the data is as a share of the organization's own stale_after; how many polls failed in the last"
        " two hours. Select a name to open it.",
        [query("1 - max by (<organization>) (csp_up@{})"),
         query(f"{age()} / on (<organization>) max by (<organization>) (csp_poll_stale_after_seconds@{{}})"),
         query("max by (<organization>) (csp_poll_last_success_timestamp_seconds@{} > 0) * 1000"),
         query("max by (<organization>) (csp_poll_last_attempt_timestamp_seconds@{} > 0) * 1000"),
         query("sum by (<organization>) (increase(csp_poll_failures_total@{}[2h])) and on (<organization>) csp_poll_interval_seconds@{}"),
         query("max by (<organization>) (csp_poll_duration_seconds@{})"),
         query("max by (<organization>) (csp_poll_duration_seconds@{}) / on (<organization>) min by (<organization>) (csp_poll_interval_seconds@{})"),
         query(REASON)],
        w=24, h=9, sort="Failing",
        transformations=merge({"organization": "Organization", "Value #A": "Failing", "reason": "Reason", "Value #B": "Age of data", "Value #C": "Last success",
                               "Value #D": "Last attempt", "Value #E": "Failed polls in 2 h", "Value #F": "Poll took", "Value #G": "Share of interval"},
                              hidden=("Time", "Value #H")),
        overrides=[
            column("Organization", links=[drill_down("__value.text")]),
            column("Failing", unit="bool_yes_no", custom__cellOptions={"type": "color-background", "mode": "basic"}, color={"mode": "thresholds"},
                   thresholds=ALARMING,
                   mappings=[{"type": "special", "options": {"match": "null", "result": {"text": "not polled yet", "color": GREY, "index": 0}}}]),
            column("Age of data", unit="percentunit", decimals=0, custom__cellOptions={"type": "gauge", "mode": "gradient"}, max=1, min=0,
                   color={"mode": "thresholds"}, thresholds=steps((GREEN, None), (YELLOW, 0.5), (RED, 1))),
            *(column(name, unit="dateTimeFromNow",
                     mappings=[{"type": "special", "options": {"match": "null", "result": {"text": "never", "color": GREY, "index": 0}}}])
              for name in ("Last success", "Last attempt")),
            column("Failed polls in 2 h", decimals=0), column("Poll took", unit="s"),
            column("Share of interval", unit="percentunit", decimals=0),
        ],
        alerts=["CSPPollsFailing", "CSPCredentialsRejected", "CSPForbidden", "CSPPollSlow"])


def build():
    """The dashboard."""
    per_step = "in each step of the graph"
    latency = "csp_api_request_duration_seconds"
    return dashboard(
        "csp-invitations-health", "CSP API and exporter health",
        "Whether the service answers, whether the exporter polls, and what stands in the way.",
        [link("csp-invitations-overview", "Overview"), link("csp-invitations-organization", "One organization")], "now-6h",
        [
            row("Now"),
            stat("Targets up", "Targets that answer Prometheus, as a share of all targets of the jobs that had an exporter in the last week.",
                 f"avg(up#{{}}{OF_ITS_JOB})", unit="percentunit", thresholds=steps((RED, None), (ORANGE, 0.5), (GREEN, 1)), gone="no target",
                 alerts=["CSPExporterDown", "CSPExporterScrapesFailing"], w=6, h=3),
            stat("Instances", "Instances that have been scraped.", "count(csp_exporter_build_info#{})", thresholds=steps((RED, None), (BLUE, 1)),
                 gone="none", alerts=["CSPExporterAbsent"], w=6, h=3),
            stat("Organizations", "Organizations that are polled, each counted once.", "count(max by (<organization>) (csp_poll_interval_seconds@{}))", gone="none", w=6, h=3),
            stat("Failing organizations", "Organizations whose last poll failed on every instance.",
                 "sum(max by (<organization>) (csp_up@{}) == bool 0)", thresholds=ALARMING, gone="no exporter", alerts=["CSPPollsFailing"], w=6, h=3),
            stat("Failed requests", "Share of the API requests that failed, whatever the reason.",
                 share(), unit="percentunit", interval=POLLED, gone="no requests",
                 thresholds=steps((GREEN, None), (ORANGE, 0.1), (RED, 0.5)), alerts=["CSPApiErrorsElevated", "CSPApiErrorsHigh"], w=6, h=3),
            stat("Answered with 429", "Share of the API requests that the service asked to slow down.",
                 share('reason="rate_limited"'), unit="percentunit", interval=POLLED, gone="no requests",
                 thresholds=steps((GREEN, None), (ORANGE, 0.05)), alerts=["CSPRateLimited"], w=6, h=3),
            stat("Latency, p95", "95 of 100 requests for lists of invitations took at most this long.",
                 quantile(0.95, latency, [], '#{operation="invitations"}'), unit="s", interval=POLLED, gone="no requests", thresholds=steps((GREEN, None), (ORANGE, 10)),
                 alerts=["CSPApiLatencyHigh"], w=6, h=3),
            stat("API token runs out", "When the first of the long-lived API tokens runs out, where the service tells.",
                 "min(max by (<apart>, credentials) (csp_api_token_expiration_timestamp_seconds#{})) - time()", unit="dtdurations",
                 thresholds=steps((RED, None), (ORANGE, 2 * 86400), (GREEN, 14 * 86400)), gone="not told", size=28,
                 alerts=["CSPApiTokenExpiring", "CSPApiTokenAboutToExpire"], w=6, h=3),
            row("Organizations"),
            organizations(),
            data_states(8), freshness(8), failing(8),
            lines("Polls", f"Polls that ended, {per_step}, and those of them that failed.",
                  [query("sum(increase(csp_polls_total@{}[$__rate_interval]))", "all"),
                   query("sum(increase(csp_poll_failures_total@{}[$__rate_interval]))", "failed")], w=8, interval=POLLED,
                  overrides=colors({"all": BLUE, "failed": RED})),
            poll_failures(8),
            lines("Duration of polls", f"How long the last poll of each organization took, retries and waiting included.{OF_THE_OLDEST}",
                  [query(f"max by (<organization>) (csp_poll_duration_seconds@{{}}){OLDEST}", WHERE + "{{organization}}")], w=8, unit="s",
                  alerts=["CSPPollSlow"]),
            row("API"),
            lines("Requests", "API requests per second by operation, each attempt counted.",
                  [query("sum by (operation) (rate(csp_api_requests_total#{}[$__rate_interval]))", "{{operation}}")], w=8, unit="reqps", stack=True, interval=POLLED),
            lines("Failed requests by operation and reason", "Failed API requests as a share of the requests of their operation.",
                  [query("clamp_max(sum by (operation, reason) (rate(csp_api_request_failures_total#{}[$__rate_interval])) / on (operation) group_left ()"
                         " sum by (operation) (rate(csp_api_requests_total#{}[$__rate_interval])) > 0, 1)", "{{operation}}: {{reason}}")], w=8,
                  unit="percentunit", interval=POLLED, no_value="none", thresholds=steps((GREEN, None), (ORANGE, 0.1), (RED, 0.5)), color={"mode": "palette-classic"},
                  custom={"thresholdsStyle": {"mode": "dashed"}}, alerts=["CSPApiErrorsElevated", "CSPApiErrorsHigh"]),
            lines("Responses by status code", "HTTP responses per second by operation and status code.",
                  [query("sum by (operation, code) (rate(csp_api_responses_total#{}[$__rate_interval]))", "{{operation}}: {{code}}")], w=8, unit="reqps",
                  stack=True, interval=POLLED),
            heatmap("Latency of lists", "How long requests for lists of invitations take. The dots are exemplars: hover one for the request id that the"
                    " vendor's support asks for.",
                    f'sum by (le) (increase({latency}_bucket#{{operation="invitations"}}[$__rate_interval]))'
                    f' or on () sum(increase({latency}#{{operation="invitations"}}[$__rate_interval]))', unit="s", w=12, h=9, interval=POLLED,
                    alerts=["CSPApiLatencyHigh"]),
            lines("Latency by operation", "Half of the requests, and 95 of 100, took at most this long. The dots are exemplars with request ids.",
                  [query(quantile(q, latency, ["operation"], "#{}"), "{{operation}}, " + name, exemplar=q == 0.95) for q, name in ((0.5, "p50"), (0.95, "p95"))],
                  w=12, h=9, unit="s", interval=POLLED, alerts=["CSPApiLatencyHigh"]),
            lines("429 and waiting", "Share of the requests that were answered with 429; and of all the time that requests took, the share that they waited for"
                  " their turn in the budget, a back-off or a Retry-After. After a start with many organizations it is high until each had its turn.",
                  [query(share('reason="rate_limited"'), "answered with 429"), query(waiting(), "waiting")], w=8, unit="percentunit",
                  interval=POLLED, custom={"axisSoftMax": 0.1}, alerts=["CSPRateLimited"]),
            lines("Retries", f"Attempts beyond the first, {per_step}, by operation.",
                  [query("sum by (operation) (increase(csp_api_retries_total#{}[$__rate_interval]))", "{{operation}}")], w=8, stack=True,
                  interval=POLLED, custom={"axisSoftMax": 1}),
            lines("Bytes of responses", "Bytes per second that were read from the service, by operation.",
                  [query("sum by (operation) (rate(csp_api_response_bytes_total#{}[$__rate_interval]))", "{{operation}}")], w=8, unit="Bps", interval=POLLED),
            table("Error codes of the service", "How often each code of error bodies came in the chosen time, without its first occurrence since a start. The vendor's support asks"
                  " for them.",
                  [query("sum by (operation, csp_error_code, module_code) (increase(csp_api_error_codes_total#{}[$__range]))")], w=10, decimals=0,
                  no_value="none", sort="Count", transformations=merge({"operation": "Operation", "csp_error_code": "Code", "module_code": "Module", "Value": "Count"})),
            table("API tokens", "The time until each long-lived API token runs out, where the service tells.",
                  [query("max by (<apart>, credentials) (csp_api_token_expiration_timestamp_seconds#{}) - time()")], w=6, unit="dtdurations",
                  transformations=merge({"credentials": "Credentials", "Value": "Left"}), sort="Left", descending=False,
                  thresholds=steps((RED, None), (ORANGE, 2 * 86400), (GREEN, 14 * 86400)),
                  overrides=[column("Left", custom__cellOptions={"type": "color-text"})], alerts=["CSPApiTokenExpiring", "CSPApiTokenAboutToExpire"]),
            table("Access tokens", "The time until each short-lived access token runs out; below zero it is renewed at the next poll.",
                  [query("max by (<organization>, credentials) (csp_access_token_expiration_timestamp_seconds@{}) - time()")], w=8, unit="s",
                  transformations=merge({"organization": "Organization", "credentials": "Credentials", "Value": "Left"})),
            row("Exporter"),
            lines("Targets", "1 while Prometheus can scrape an instance.", [query(f"up#{{}}{OF_ITS_JOB}", "{{instance}}")], w=6, h=7, minimum=0, maximum=1,
                  alerts=["CSPExporterDown", "CSPExporterScrapesFailing", "CSPExporterAbsent"]),
            lines("Silence of the scheduler", "Time from the scheduler's last heartbeat to the scrape, by instance. A line that rises is a scheduler that stands"
                  " still; one that is level but not near 0 is a clock that differs from Prometheus'.",
                  [query("timestamp(csp_exporter_scheduler_heartbeat_timestamp_seconds#{}) - (csp_exporter_scheduler_heartbeat_timestamp_seconds#{} > 0)",
                         "{{instance}}")], w=6, h=7, unit="s",
                  alerts=["CSPExporterSchedulerStalled"]),
            lines("Reload, state and panics", "1 while the last reload was good and while the state folder takes what is written, the worst of all"
                  f" instances; stored states that were set aside since the start; panics and dropped lines of the log {per_step}.",
                  [query("min(csp_exporter_config_last_reload_successful#{})", "reload good"), query("min(csp_exporter_state_durable#{})", "state durable"),
                   query("sum(increase(csp_exporter_panics_total#{}[$__rate_interval]))", "panics"),
                   query("sum(csp_exporter_state_resets_total#{})", "states set aside"),
                   query("sum(increase(csp_exporter_log_lines_dropped_total#{}[$__rate_interval]))", "log lines dropped")], w=6, h=7,
                  alerts=["CSPExporterReloadFailed", "CSPExporterStateNotDurable", "CSPExporterStateSetAside", "CSPExporterPanicked"]),
            lines("Shards", "Shards that run in each job, by their distinct indices, and shards that there should be; organizations that more than one"
                  " shard polls.",
                  [query('count by (<exporter>) (count_values by (<exporter>) ("shard", csp_exporter_shard_index#{}))', WHERE + "{{job}}: running"),
                   query("max by (<exporter>) (csp_exporter_shards#{})", WHERE + "{{job}}: wanted"),
                   query("min by (<exporter>) (csp_exporter_shards#{})", WHERE + "{{job}}: wanted, smallest"),
                   query('sum(count by (<exporter>, organization) (count_values by (<exporter>, organization) ("shard", 0 * csp_poll_interval_seconds#{}'
                         " + on (<target>) group_left () max by (<target>) (csp_exporter_shard_index#{}))) > bool 1)",
                         "organizations doubled")],
                  w=6, h=7, alerts=["CSPExporterShardMissing", "CSPExporterShardDoubled", "CSPExporterShardsDisagree"]),
            lines("Scrapes and other requests", "HTTP requests to the exporter per second, by handler and code.",
                  [query("sum by (handler, code) (rate(csp_exporter_http_requests_total#{}[$__rate_interval]))", "{{handler}}: {{code}}")], w=6, h=7,
                  unit="reqps"),
            lines("Processor", "Processor time used per second, by instance.",
                  [query(f"rate(process_cpu_seconds_total#{{}}[$__rate_interval]){OF_EXPORTER}", "{{instance}}")], w=6, h=7, unit="percentunit"),
            lines("Memory", "Resident memory, by instance.", [query(f"process_resident_memory_bytes#{{}}{OF_EXPORTER}", "{{instance}}")], w=6, h=7, unit="bytes"),
            lines("Open files", "Open file descriptors as a share of the limit, by instance.",
                  [query(f"process_open_fds#{{}} / process_max_fds#{{}}{OF_EXPORTER}", "{{instance}}")], w=6, h=7, unit="percentunit",
                  thresholds=steps((GREEN, None), (RED, 0.8)), color={"mode": "palette-classic"}, custom={"thresholdsStyle": {"mode": "dashed"}}),
            table("Versions", "What runs where, since when, and as which shard.",
                  [query("max by (<apart>, instance, version, revision, rust_version) (csp_exporter_build_info#{})"),
                   query(f"max by (<apart>, instance) (process_start_time_seconds#{{}}{OF_EXPORTER}) * 1000"),
                   query("max by (<apart>, instance) (csp_exporter_config_last_reload_success_timestamp_seconds#{}) * 1000"),
                   query("max by (<apart>, instance) (csp_exporter_shard_index#{})"), query("max by (<apart>, instance) (csp_exporter_shards#{})")], w=16, h=7,
                  transformations=merge({"instance": "Instance", "version": "Version", "revision": "Revision", "rust_version": "Rust",
                                         "Value #B": "Started", "Value #C": "Configuration", "Value #D": "Shard", "Value #E": "Shards"},
                                        hidden=("Time", "Value #A")),
                  overrides=[column("Started", unit="dateTimeFromNow"), column("Configuration", unit="dateTimeFromNow")]),
            lines("Oddities of the lists", "Invitations of the last lists that show each anomaly, over all organizations, and values that are inside"
                  " \"other\".",
                  [query("sum by (kind) (max by (<organization>, kind) (csp_decode_anomalies@{})) > 0", "{{kind}}"),
                   query("sum by (dimension) (max by (<organization>, dimension) (csp_exporter_folded_values@{})) > 0", "folded, {{dimension}}")], w=8, h=7,
                  no_value="none", alerts=["CSPUnknownStatus", "CSPMalformedData", "CSPValuesFolded"]),
        ])
