"""The few shapes of dashboard JSON that the three dashboards are made of.

Queries are written with short forms of selectors: `@{…}` selects by the variables of targets and organization, `#{…}` by those of
targets alone, and `&{…}`, for recorded series, which no target has, by organization and by what keeps targets apart. `<apart>`,
`<exporter>`, `<target>` and `<organization>` are the lists of labels of targets.py. Everything else is PromQL as it stands.
"""

from targets import APART, EXPORTER, ORGANIZATION, TARGET, names

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
TAG = "csp-invitations"
# "All" selects every job of the Prometheus server, so what other programs have too, as up and process_*, is joined with what
# only the exporter has. A target that is down is known by what its job showed before.
OF_EXPORTER = " and on (<target>) csp_exporter_build_info#{}"
OF_ITS_JOB = " and on (<exporter>) last_over_time(csp_exporter_build_info#{}[7d])"
# Before the name of an organization or a job in a legend: where it is, if anything says so.
WHERE = "".join(f"{{{{{label}}}}} " for label in APART)
# The least step of graphs about polls and requests. Usual polls are five minutes apart: with shorter steps most steps would show
# nothing, and windows of $__rate_interval would overlap and count a poll several times.
POLLED = "5m"

BLUE, GREEN, YELLOW, ORANGE, RED, PURPLE, GREY = "blue", "green", "yellow", "orange", "red", "purple", "#8e8e8e"
STATUS_COLORS = {"available": BLUE, "expired": ORANGE, "redeemed": GREEN, "revoked": PURPLE, "unknown": GREY}
EVENT_COLORS = {"generated": BLUE, "redeemed": GREEN, "expired": ORANGE, "revoked": PURPLE, "vanished": GREY}
STATE_COLORS = {"fresh": GREEN, "held": YELLOW, "withdrawn": RED, "waiting": GREY}
AGE_COLORS = {"0-1d": "#73bf69", "1-3d": "#b7c95c", "3-7d": "#fade2a", "7-30d": "#ff9830", "30d+": "#f2495c",
              "unknown": GREY}
LEFT_COLORS = {"0-1h": "#f2495c", "1-24h": "#ff9830", "1-3d": "#fade2a", "3-7d": "#b7c95c", "7d+": "#73bf69", "unknown": GREY}


def _by_variables(*labels):
    return ",".join(f'{label}=~"${label}"' for label in labels)


SELECTORS = {"@": _by_variables(*APART, "job", "instance", "organization"), "#": _by_variables(*APART, "job", "instance"),
             "&": _by_variables(*ORGANIZATION)}
LABELS = {"<apart>, ": "".join(f"{label}, " for label in APART), "<apart>": names(*APART), "<exporter>": names(*EXPORTER), "<target>": names(*TARGET), "<organization>": names(*ORGANIZATION)}


def promql(expression):
    """Expands the short forms."""
    for short, full in SELECTORS.items():
        expression = expression.replace(short + "{}", "{" + full + "}").replace(short + "{", "{" + full + ",")
    for short, full in LABELS.items():
        expression = expression.replace(short, full)
    return expression


def query(expression, legend="", *, instant=False, table=False, heatmap=False, exemplar=False, interval=None):
    """A target. Its refId is given by the panel."""
    target = {"datasource": DATASOURCE, "editorMode": "code", "expr": promql(expression), "legendFormat": legend or "__auto"}
    target["instant"], target["range"] = instant, not instant
    target["format"] = "table" if table else "heatmap" if heatmap else "time_series"
    if exemplar:
        target["exemplar"] = True
    if interval:
        target["interval"] = interval
    return target


def quantile(q, family, by, where, window="$__rate_interval", offset=""):
    """A quantile from classic buckets or, where Prometheus keeps only these, from native histograms; no value where nothing happened."""
    native = f"sum by ({', '.join(by)}) " if by else "sum "
    return (
        f"histogram_quantile({q}, sum by ({', '.join([*by, 'le'])}) (increase({family}_bucket{where}[{window}]{offset}))) >= 0"
        f" or histogram_quantile({q}, {native}(increase({family}{where}[{window}]{offset}))) >= 0"
    )


def steps(*pairs):
    """Thresholds: colors with the value from which each holds; the first one has none."""
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for color, value in pairs]}


def colors(by_name):
    """Overrides that give series of these names their fixed colors."""
    return [
        {"matcher": {"id": "byName", "options": name}, "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}]}
        for name, color in by_name.items()
    ]


def column(name, **properties):
    """An override of one column of a table: `unit="s"`, `custom__width=120`, `displayName="…"`."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()],
    }


def panel(kind, title, description, targets, *, w, h=8, unit="short", thresholds=None, overrides=(), options=None, custom=None,
          decimals=None, minimum=None, maximum=None, mappings=(), links=(), transformations=(), alerts=(), color=None, interval=None,
          no_value=None):
    """One panel. `alerts` are named in its description: it is where their signal can be seen."""
    if alerts:
        description = f"{description} Alerts: {', '.join(alerts)}."
    defaults = {"unit": unit, "color": color or {"mode": "thresholds" if thresholds else "palette-classic"},
                "thresholds": thresholds or steps((GREEN, None)), "mappings": list(mappings)}
    for key, value in (("decimals", decimals), ("min", minimum), ("max", maximum), ("custom", custom), ("noValue", no_value)):
        if value is not None:
            defaults[key] = value
    if links:
        defaults["links"] = list(links)
    result = {
        "type": kind, "title": title, "description": description, "datasource": DATASOURCE, "w": w, "h": h,
        "targets": [{**target, "refId": chr(ord("A") + index)} for index, target in enumerate(targets)],
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)}, "options": options or {},
    }
    if transformations:
        result["transformations"] = list(transformations)
    if interval:
        result["interval"] = interval
    return result


def stat(title, description, expression, *, w=3, h=4, unit="locale", thresholds=None, gone=None, size=36, **more):
    """One number, as it is at the end of the chosen time; where there is none, the text `gone` stands in its place.

    Without its course, which Grafana draws behind the number: the graphs below have that.
    """
    options = {"colorMode": "value", "graphMode": "none", "justifyMode": "auto", "orientation": "auto",
               "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "text": {"valueSize": size}, "textMode": "auto", "wideLayout": True,
               "showPercentChange": False, "percentChangeColorMode": "standard"}
    return panel("stat", title, description, [query(expression, more.pop("legend", ""), instant=True)], w=w, h=h, unit=unit, options=options,
                 thresholds=thresholds or steps((BLUE, None)), no_value=gone, **more)


def lines(title, description, targets, *, stack=False, bars=False, fill=10, legend="list", custom=None, **more):
    """A time series, as lines, or stacked as areas or bars: without a line, which that of a series with nothing would cover in its color."""
    style = {"drawStyle": "bars" if bars else "line", "lineWidth": 0 if bars or stack else 1, "fillOpacity": 80 if bars else 60 if stack else fill,
             "stacking": {"mode": "normal" if stack else "none", "group": "A"}, "showPoints": "never", "spanNulls": False,
             "axisSoftMin": 0, **(custom or {})}
    options = {"legend": {"calcs": ["lastNotNull", "max"] if legend == "table" else [], "displayMode": legend,
                          "placement": "right" if legend == "table" else "bottom", "showLegend": True},
               "tooltip": {"mode": "multi", "sort": "desc"}}
    return panel("timeseries", title, description, targets, custom=style, options=options, **more)


# What stands in these columns needs so much; where a panel is too narrow for all, it scrolls.
LEAST_WIDTHS = {
    "Organization": 170, "Name": 160, "Id": 330, "Role": 230, "Group": 170, "Kind": 100, "Type": 150, "Domain": 130, "Credentials": 130,
    "Instance": 170, "Revision": 130, "Started": 140, "Configuration": 140, "Code": 130, "Operation": 110, "Reason": 120, "Last success": 140,
    "Last attempt": 140, "Last poll took": 130, "Expiring in a day": 150, "Lapsed in a week": 150, "Failed polls in 2 h": 160, "Share of interval": 140,
    "Age of data": 150, "Acceptance": 110,
}


def table(title, description, targets, *, transformations, sort=None, descending=True, unit="locale", overrides=(), **more):
    """A table; `sort` names the column that comes first, largest or smallest value first."""
    shown = [name for step in transformations if step["id"] == "organize" for name in step["options"]["renameByName"].values()]
    least = [column(name, custom__minWidth=LEAST_WIDTHS[name]) for name in shown if name in LEAST_WIDTHS]
    options = {"cellHeight": "sm", "showHeader": True}
    if sort:
        options["sortBy"] = [{"displayName": sort, "desc": descending}]
    custom = {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True, "inspect": False,
              "minWidth": 95}
    return panel("table", title, description, [{**target, "instant": True, "range": False, "format": "table"} for target in targets],
                 unit=unit, options=options, custom=custom, transformations=transformations, overrides=[*least, *overrides], **more)


def bars(name, color=BLUE):
    """An override of a column of numbers, which are drawn as bars too."""
    return column(name, custom__cellOptions={"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}, custom__minWidth=140, min=0,
                  color={"mode": "fixed", "fixedColor": color})


def bar_gauge(title, description, targets, *, calc="lastNotNull", unit="locale", **more):
    """Horizontal bars, one per series."""
    options = {"displayMode": "basic", "orientation": "horizontal", "valueMode": "color", "showUnfilled": True, "minVizWidth": 8,
               "minVizHeight": 16, "namePlacement": "left", "sizing": "auto", "maxVizHeight": 300, "text": {"titleSize": 13},
               "reduceOptions": {"calcs": [calc], "fields": "", "values": False},
               "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False}}
    return panel("bargauge", title, description, targets, unit=unit, options=options, **more)


def timeline(title, description, targets, **more):
    """A state timeline."""
    options = {"alignValue": "left", "mergeValues": True, "rowHeight": 0.8, "showValue": "never",
               "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
               "tooltip": {"mode": "single", "sort": "none"}}
    return panel("state-timeline", title, description, targets, options=options, custom={"fillOpacity": 80, "lineWidth": 0}, **more)


def heatmap(title, description, expression, *, unit, **more):
    """A heat map of a histogram, with exemplars."""
    options = {"calculate": False, "cellGap": 1, "color": {"mode": "scheme", "scheme": "Oranges", "fill": "dark-orange", "scale": "exponential",
                                                         "exponent": 0.5, "steps": 64, "reverse": False},
               "exemplars": {"color": "rgba(31, 120, 193, 0.9)"}, "filterValues": {"le": 1e-9}, "legend": {"show": True},
               "rowsFrame": {"layout": "auto"}, "showValue": "never", "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": True},
               "yAxis": {"axisPlacement": "left", "reverse": False, "unit": unit}}
    return panel("heatmap", title, description, [query(expression, "{{le}}", heatmap=True, exemplar=True)], unit=unit, options=options, **more)


def merge(renames, hidden=("Time",)):
    """Joins the targets of a table on their labels and names the columns; `Value #A` is target A's.

    What keeps targets apart comes first, and has no column where targets have no such label.
    """
    renames = {label: label.capitalize() for label in APART} | renames
    return [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": {name: True for name in hidden}, "indexByName": {name: i for i, name in enumerate(renames)},
                                       "renameByName": renames}},
    ]


def row(title):
    """A heading; the panels after it belong to it."""
    return {"type": "row", "title": title}


def _layout(panels):
    placed, x, y, height = [], 0, 0, 0
    for number, item in enumerate(panels, start=1):
        item = dict(item)
        if item["type"] == "row":
            y, x, height = y + height, 0, 0
            placed.append({"id": number, "type": "row", "title": item["title"], "collapsed": False, "panels": [],
                           "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}})
            y += 1
            continue
        w, h = item.pop("w"), item.pop("h")
        if x + w > 24:
            y, x, height = y + height, 0, 0
        placed.append({"id": number, **item, "gridPos": {"x": x, "y": y, "w": w, "h": h}})
        x, height = x + w, max(height, h)
    return placed


def _variable(name, source, everything=".+"):
    """A variable with the values of a label; `everything` also matches series that lack it where that can be."""
    return {
        "name": name, "label": name.capitalize(), "type": "query", "datasource": DATASOURCE,
        "query": {"qryType": 1, "query": f"label_values({promql(source)}, {name})", "refId": f"variable-{name}"},
        "multi": True, "includeAll": True, "allValue": everything, "refresh": 2, "sort": 1, "hide": 0, "regex": "", "skipUrlSync": False,
        "options": [], "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }


def _variables():
    chosen = []
    for label in APART:
        yield _variable(label, f"csp_exporter_build_info{{{_by_variables(*chosen)}}}" if chosen else "csp_exporter_build_info", ".*")
        chosen.append(label)
    yield _variable("job", f"csp_exporter_build_info{{{_by_variables(*chosen)}}}")
    yield _variable("instance", f"csp_exporter_build_info{{{_by_variables(*chosen, 'job')}}}")
    yield _variable("organization", "csp_poll_interval_seconds#{}")


def _annotation(name, color, expression, title):
    # The query stands twice: older releases read it beside the target, newer ones in it.
    expression = promql(expression)
    return {
        "name": name, "enable": True, "hide": False, "iconColor": color, "datasource": DATASOURCE, "expr": expression,
        "target": {"datasource": DATASOURCE, "editorMode": "code", "expr": expression, "refId": name.split()[-1],
                   "limit": 100, "matchAny": False, "tags": [], "type": "dashboard"},
        "titleFormat": title, "tagKeys": "instance", "textFormat": "{{instance}}", "useValueForTime": True,
    }


def _since(family):
    # Only the first evaluations after the moment itself; the value puts the mark on the very moment.
    return f"{family}#{{}} * 1000 and time() - {family}#{{}} < 2 * $__interval_ms / 1000{OF_EXPORTER}"


def link(dashboard, title):
    """A link between the dashboards that keeps the time range and the variables."""
    return {"type": "link", "title": title, "url": f"/d/{dashboard}", "icon": "dashboard", "tooltip": title, "tags": [], "asDropdown": False,
            "includeVars": True, "keepTime": True, "targetBlank": False}


def drill_down(field):
    """A data link to one organization."""
    return {"title": "Open ${" + field + "}", "targetBlank": False,
            "url": "/d/csp-invitations-organization?${datasource:queryparam}"
                   + "".join(f"&${{{label}:queryparam}}" for label in (*APART, "job", "instance")) +
                   "&var-organization=${" + field + ":percentencode}&${__url_time_range}"}


def dashboard(uid, title, description, links, time_from, panels):
    """A whole dashboard."""
    return {
        "uid": uid, "title": title, "description": description, "tags": [TAG, "prometheus"], "id": None, "version": 1, "schemaVersion": 41,
        "editable": False, "graphTooltip": 1, "fiscalYearStartMonth": 0, "liveNow": False, "preload": False, "refresh": "1m",
        "time": {"from": time_from, "to": "now"}, "timepicker": {}, "timezone": "browser", "weekStart": "", "links": links,
        "templating": {"list": [
            {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0,
             "current": {"selected": False, "text": "default", "value": "default"},
             "includeAll": False, "multi": False, "options": [], "refresh": 1, "regex": "", "skipUrlSync": False},
            *_variables(),
        ]},
        "annotations": {"list": [
            {"builtIn": 1, "datasource": {"type": "grafana", "uid": "-- Grafana --"}, "enable": True, "hide": True,
             "iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts", "type": "dashboard"},
            _annotation("Configuration reloads", BLUE, _since("csp_exporter_config_last_reload_success_timestamp_seconds"), "Configuration loaded"),
            _annotation("Exporter restarts", RED, _since("process_start_time_seconds"), "Exporter started"),
        ]},
        "panels": _layout(panels),
    }
