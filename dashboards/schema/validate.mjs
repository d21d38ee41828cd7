// Validates each dashboard against the types that Grafana publishes, with no additional properties: the dashboard itself,
// the options and custom field settings of each kind of panel, and each field setting that an override makes.
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import Ajv from "ajv";
import { createGenerator } from "ts-json-schema-generator";

const here = dirname(fileURLToPath(import.meta.url));
const types = join(here, "node_modules/@grafana/schema/dist/types/raw");
const ajv = new Ajv({ allErrors: true, strict: false, allowUnionTypes: true });

function schema(path, type) {
  return createGenerator({
    path: join(types, path),
    type,
    tsconfig: join(here, "tsconfig.json"),
    skipTypeCheck: true,
    additionalProperties: false,
  }).createSchema(type);
}

const ROOT = "dashboard/x/types.gen.d.ts";
const root = schema(ROOT, "Dashboard");
// What Grafana's own export adds.
for (const key of ["__inputs", "__requires", "__elements"]) root.definitions.Dashboard.properties[key] = {};
// An annotation's own type describes Grafana's built-in queries alone; these are the Prometheus data source's fields.
const text = { type: "string" };
Object.assign(root.definitions.AnnotationQuery.properties, { expr: text, titleFormat: text, tagKeys: text, textFormat: text });
Object.assign(root.definitions.AnnotationQuery.properties, { useValueForTime: { type: "boolean" } });
Object.assign(root.definitions.AnnotationTarget.properties, { datasource: { $ref: "#/definitions/DataSourceRef" } });
Object.assign(root.definitions.AnnotationTarget.properties, { editorMode: text, expr: text, refId: text });
const dashboard = ajv.compile(root);
const fieldSettings = ajv.compile(schema(ROOT, "FieldConfig"));

// Properties of the types with defaults are optional in JSON: Grafana fills them in. A partial object is what it stores.
function partial(node) {
  if (Array.isArray(node)) return node.map(partial);
  if (node === null || typeof node !== "object") return node;
  return Object.fromEntries(Object.entries(node).filter(([key]) => key !== "required").map(([key, value]) => [key, partial(value)]));
}

const kinds = { "state-timeline": "statetimeline" };
const compiled = new Map();
function panelSchemas(kind) {
  if (!compiled.has(kind)) {
    const path = `composable/${kinds[kind] ?? kind}/panelcfg/x/types.gen.d.ts`;
    const one = (type) => {
      try {
        return ajv.compile(partial(schema(path, type)));
      } catch (error) {
        if (/No root type|not found/i.test(String(error))) return undefined;
        throw error;
      }
    };
    compiled.set(kind, { options: one("Options"), custom: one("FieldConfig") });
  }
  return compiled.get(kind);
}

let problems = 0;
function check(validate, value, where) {
  if (validate === undefined || value === undefined || validate(value)) return;
  for (const { instancePath, message, params } of validate.errors) {
    problems += 1;
    console.error(`${where}${instancePath}: ${message} ${JSON.stringify(params)}`);
  }
}

const folder = process.argv[2] ?? join(here, "..");
const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
for (const name of files) {
  const json = JSON.parse(readFileSync(join(folder, name), "utf8"));
  check(dashboard, json, name);
  for (const panel of json.panels.filter(({ type }) => type !== "row")) {
    const where = `${name} "${panel.title}"`;
    const { options, custom } = panelSchemas(panel.type);
    check(options, panel.options, `${where} options`);
    check(custom, panel.fieldConfig.defaults.custom, `${where} custom`);
    for (const { properties } of panel.fieldConfig.overrides) {
      for (const { id, value } of properties) {
        const [first, second] = id.split(".");
        if (first === "custom") check(custom, { [second]: value }, `${where} override`);
        else check(fieldSettings, { [first]: value }, `${where} override`);
      }
    }
  }
}
if (files.length === 0) throw new Error(`no dashboards in ${folder}`);
console.log(`${files.length} dashboards, ${problems} problems`);
process.exitCode = problems === 0 ? 0 : 1;
