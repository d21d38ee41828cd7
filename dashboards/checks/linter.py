"""The rules of Grafana's dashboard linter, strict and with one exclusion, and what Grafana needs beyond them."""

import re

from checks.promql import APART, RECORDED, labels_of, mixing, selectors, unknown_names

DATASOURCES = {"$datasource", "${datasource}"}
CORE_PANELS = {"row", "stat", "timeseries", "table", "bargauge", "heatmap", "state-timeline", "gauge", "barchart", "piechart", "text"}
UNITS = {"none", "short", "locale", "percent", "percentunit", "s", "ms", "dtdurations", "dateTimeFromNow", "bytes", "Bps", "reqps", "ops", "bool_yes_no",
         "bool", "bool_on_off", "suffix:days"}
RATE = re.compile(r"\b(i?rate)\s*\(\s*$")
# Counted before the first scrape, so that an increase never shows it: what counts is the number since the start.
BEFORE_THE_FIRST_SCRAPE = {"csp_exporter_state_resets_total"}
COUNTED = re.compile(r"\b(i?rate|increase)\s*\(\s*$")


def panels_of(dashboard):
    """Every panel that is no row, those of collapsed rows included."""
    for panel in dashboard["panels"]:
        yield from (panel.get("panels", []) if panel["type"] == "row" else [panel])


def variables(dashboard):
    """The rules about variables."""
    by_name = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    source = by_name.get("datasource", {})
    if source.get("type") != "datasource" or source.get("query") != "prometheus" or source.get("label") != "Data source":
        yield "template-datasource-rule: needs a variable datasource, labeled 'Data source'"
    for name in (*APART, "job", "instance", "organization"):
        variable = by_name.get(name)
        if variable is None:
            yield f"template-{name}-rule: there is no variable {name}"
            continue
        wanted = {"type": "query", "label": name.capitalize(), "multi": True, "includeAll": True, "allValue": ".*" if name in APART else ".+", "refresh": 2}
        yield from (f"variable {name}: {key} should be {value!r}" for key, value in wanted.items() if variable.get(key) != value)
        if variable["datasource"].get("uid") not in DATASOURCES:
            yield f"variable {name}: does not use the variable datasource"
        if not re.fullmatch(r"label_values\(.+, \w+\)", variable["query"]["query"]):
            yield f"template-label-promql-rule: variable {name}"
        if not any(f"${name}" in target["expr"] for panel in panels_of(dashboard) for target in panel["targets"]):
            yield f"template-unused-rule: variable {name}"


def target(expression, families):
    """The rules about one query."""
    for selector in selectors(expression):
        for name in (*APART, "job", "instance"):
            if selector.matchers.get(name) != ("=~", f"${name}"):
                yield f'target-{name}-rule: {selector.name} lacks {name}=~"${name}"'
        before = expression[: selector.start]
        if RATE.search(before) and selector.range != "$__rate_interval":
            yield f"target-rate-interval-rule: {selector.name}[{selector.range}]"
        is_counted = selector.range and COUNTED.search(before) or selector.name in BEFORE_THE_FIRST_SCRAPE
        if selector.name.endswith("_total") and not is_counted:
            yield f"target-counter-agg-rule: {selector.name}"
        if selector.name.endswith("_bucket") and not selector.range:
            yield f"target-histogram-rule: {selector.name}"
        # What every program has: with the variables at "All" it would be everybody's.
        if not selector.name.startswith("csp_") and not re.search(r"\bon \([^)]*\bjob\b", expression):
            yield f"{selector.name} is not joined with a family of the exporter"
    for match in re.finditer(RECORDED.pattern + r"(\{[^}]*\})?", expression):
        if any(f'{label}=~"${label}"' not in (match[1] or "") for label in (*APART, "organization")):
            yield f"{match[0]} is not selected by the variables"
    yield from mixing(expression, {"organization", "job", "namespace", "instance", "credentials"})
    yield from unknown_names(expression, families)


def panel(item, families):
    """The rules about one panel, its queries and the columns that its transformations name."""
    if not item.get("title") or not item.get("description"):
        yield "panel-title-description-rule"
    if item.get("datasource", {}).get("uid") not in DATASOURCES:
        yield "panel-datasource-rule"
    defaults = item["fieldConfig"]["defaults"]
    units = [defaults.get("unit")] + [p["value"] for o in item["fieldConfig"]["overrides"] for p in o["properties"] if p["id"] == "unit"]
    yield from (f"panel-units-rule: {unit!r}" for unit in units if unit not in UNITS)
    if "thresholds" not in defaults:
        yield "no thresholds"
    if item["type"] not in CORE_PANELS:
        yield f"{item['type']} is not a core panel"
    targets = item.get("targets") or []
    if not targets:
        yield "panel-no-targets-rule"
    if len({query["refId"] for query in targets}) != len(targets):
        yield "a refId occurs twice"
    columns = {"Time", "Value"} | {f"Value #{query['refId']}" for query in targets}
    for query in targets:
        if query["datasource"].get("uid") not in DATASOURCES:
            yield "target-datasource: a query does not use the variable datasource"
        yield from target(query["expr"], families)
        known = labels_of(query["expr"], families)
        columns |= known
        yield from (f"legend names {label}, which no result has" for label in re.findall(r"\{\{(\w+)\}\}", query["legendFormat"]) if label not in known)
    for step in item.get("transformations", []):
        if step["id"] == "organize":
            options = step["options"]
            named = set(options["renameByName"]) | set(options["excludeByName"])
            yield from (f"a transformation names the column {name!r}, which does not exist" for name in named - columns)
            shown = set(options["renameByName"].values())
            sorts = {entry["displayName"] for entry in item["options"].get("sortBy", [])}
            overrides = {override["matcher"]["options"] for override in item["fieldConfig"]["overrides"]}
            yield from (f"an override or sort names the column {name!r}, which does not exist" for name in (sorts | overrides) - shown)


def layout(dashboard):
    """Ids are unique, and no two panels share a cell."""
    cells, ids = set(), set()
    for item in dashboard["panels"]:
        if item["id"] in ids:
            yield f"id {item['id']} occurs twice"
        ids.add(item["id"])
        grid = item["gridPos"]
        own = {(x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])}
        if cells & own or grid["x"] + grid["w"] > 24:
            yield f"{item['title']!r} overlaps another panel or the edge"
        cells |= own


def lint(dashboard, families, uids):
    """Every problem of a dashboard."""
    problems = list(variables(dashboard)) + list(layout(dashboard))
    if dashboard.get("editable") is not False:
        problems.append("uneditable-dashboard-rule")
    if dashboard.get("schemaVersion", 0) < 39 or not dashboard.get("uid") or not dashboard.get("tags") or dashboard.get("id") is not None:
        problems.append("needs a current schemaVersion, a uid, tags, and no id")
    linked = {link["url"].removeprefix("/d/") for link in dashboard["links"]}
    if linked != uids - {dashboard["uid"]}:
        problems.append("does not link to each of the other dashboards")
    for item in panels_of(dashboard):
        problems += [f"{item['title']!r}: {problem}" for problem in panel(item, families)]
        links = [link for override in item["fieldConfig"]["overrides"] for p in override["properties"] if p["id"] == "links" for link in p["value"]]
        for link in links:
            if link["url"].removeprefix("/d/").split("?")[0] not in uids:
                problems.append(f"{item['title']!r}: links to an unknown dashboard")
    return problems
