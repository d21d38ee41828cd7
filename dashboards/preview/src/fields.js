// The field settings that Grafana registers at its start: without them units, colors and thresholds are missing.
import { FieldConfigOptionsRegistry } from "@grafana/data";

const STANDARD = ["unit", "min", "max", "decimals", "displayName", "noValue", "color", "thresholds", "mappings", "links"];
const CUSTOM = ["drawStyle", "lineWidth", "fillOpacity", "stacking", "showPoints", "pointSize", "spanNulls", "axisSoftMin", "axisSoftMax", "thresholdsStyle", "align", "cellOptions", "filterable", "inspect", "width", "minWidth"];
const item = (id, path, isCustom) => ({ id, path, name: id, isCustom, process: (value) => value, shouldApply: () => true, override: () => null, editor: () => null });

export const registry = new FieldConfigOptionsRegistry(() => [
  ...STANDARD.map((name) => item(name, name, false)),
  ...CUSTOM.map((name) => item(`custom.${name}`, name, true)),
]);

// JSON has no infinity: the first threshold is stored with null.
export function withInfinity(value) {
  if (Array.isArray(value)) return value.map(withInfinity);
  if (value === null || typeof value !== "object") return value;
  const copy = Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withInfinity(inner)]));
  if (Array.isArray(copy.steps)) copy.steps = copy.steps.map((step) => ({ ...step, value: step.value ?? Number.NEGATIVE_INFINITY }));
  return copy;
}
