// Queries in the place of Grafana's Prometheus data source: variables, steps, and results as data frames.
import { FieldType, toDataFrame } from "@grafana/data";

const SECONDS = { s: 1, m: 60, h: 3600, d: 86400 };
// What Grafana's data source is told as the scrape interval.
const SCRAPE = 15;
const seconds = (text) => Number.parseInt(text, 10) * SECONDS[text.at(-1)];

function interpolate(expression, step, range) {
  const rate = Math.max(step + SCRAPE, 4 * SCRAPE);
  const organization = new URLSearchParams(location.search).get("organization") || ".+";
  const values = { __rate_interval: `${rate}s`, __interval_ms: `${step * 1000}`, __range: `${range.to - range.from}s`, __range_s: `${range.to - range.from}`, job: ".+", instance: ".+", organization };
  // What is left are labels that keep targets apart, and all of their values.
  return expression.replace(/\$(\w+)/g, (_, name) => values[name] ?? ".*");
}

async function api(path, parameters) {
  const response = await fetch(`/api/v1/${path}`, { method: "POST", body: new URLSearchParams(parameters) });
  const answer = await response.json();
  if (answer.status !== "success") throw new Error(answer.error);
  return answer.data.result;
}

const nameOf = (labels, legend) => {
  if (legend === "__auto" || !legend) {
    const shown = Object.entries(labels).filter(([key]) => key !== "__name__");
    return shown.length === 0 ? "Value" : shown.length === 1 ? shown[0][1] : shown.map(([key, value]) => `${key}="${value}"`).join(", ");
  }
  return legend.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => labels[label] ?? "");
};

function table(target, result, single) {
  const labels = [...new Set(result.flatMap(({ metric }) => Object.keys(metric)))].filter((label) => label !== "__name__").sort();
  return toDataFrame({
    refId: target.refId,
    fields: [
      { name: "Time", type: FieldType.time, values: result.map(({ value }) => value[0] * 1000) },
      ...labels.map((label) => ({ name: label, type: FieldType.string, values: result.map(({ metric }) => metric[label] ?? "") })),
      { name: single ? "Value" : `Value #${target.refId}`, type: FieldType.number, values: result.map(({ value }) => Number(value[1])) },
    ],
  });
}

// A native histogram as classic buckets: what counts up to each upper bound that occurs.
function classic({ metric, histograms }) {
  const bounds = [...new Set(histograms.flatMap(([, { buckets = [] }]) => buckets.map((bucket) => Number(bucket[2]))))].sort((a, b) => a - b);
  const upTo = (buckets, bound) => buckets.filter((bucket) => Number(bucket[2]) <= bound).reduce((sum, bucket) => sum + Number(bucket[3]), 0);
  return bounds.map((bound) => ({
    metric: { ...metric, le: String(Number(bound.toPrecision(3))) },
    values: histograms.map(([time, { buckets = [] }]) => [time, upTo(buckets, bound)]),
  }));
}

function series(target, result, grid) {
  return result.flatMap((one) => (one.histograms ? classic(one) : [one])).map(({ metric, values, value }) => {
    const name = nameOf(metric, target.legendFormat);
    const points = new Map(values ?? [value]);
    const times = values ? grid : [value[0]];
    return toDataFrame({
      refId: target.refId,
      name,
      fields: [
        { name: "Time", type: FieldType.time, values: times.map((time) => time * 1000) },
        { name: "Value", type: FieldType.number, labels: metric, config: { displayNameFromDS: name }, values: times.map((time) => (points.has(time) ? Number(points.get(time)) : null)) },
      ],
    });
  });
}

// The frames of all targets of a panel. As Grafana does it, a step is no shorter than the least one of target, panel and scrapes, and the
// range begins and ends at a multiple of it, in the time zone of the browser.
export async function load(panel, range) {
  const frames = await Promise.all(
    panel.targets.map(async (target) => {
      const step = Math.max(SCRAPE, seconds(target.interval ?? panel.interval ?? "0s"), Math.ceil((range.to - range.from) / 200));
      const query = interpolate(target.expr, step, range);
      if (target.instant) {
        const result = await api("query", { query, time: range.to });
        return target.format === "table" ? [table(target, result, panel.targets.length === 1)] : series(target, result);
      }
      const zone = -60 * new Date().getTimezoneOffset();
      const [from, to] = [range.from, range.to].map((time) => Math.floor((time + zone) / step) * step - zone);
      const grid = Array.from({ length: (to - from) / step + 1 }, (_, index) => from + index * step);
      return series(target, await api("query_range", { query, start: from, end: to, step }), grid);
    }),
  );
  return frames.flat();
}
