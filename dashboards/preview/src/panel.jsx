import { applyFieldOverrides, dateTime, FieldType, getDisplayValueAlignmentFactors, getFieldDisplayValues, standardTransformers, standardTransformersRegistry, transformDataFrame } from "@grafana/data";
import { BarGauge, BigValue, BigValueColorMode, BigValueGraphMode, BigValueJustifyMode, BigValueTextMode, PanelChrome, Table, TimeSeries, useTheme2 } from "@grafana/ui";
import { useEffect, useState } from "react";
import { firstValueFrom } from "rxjs";
import { registry, withInfinity } from "./fields.js";
import { load } from "./prometheus.js";

// Some transformations are exported under two names.
const transformations = new Map(Object.values(standardTransformers).map((transformation) => [transformation.id, transformation]));
standardTransformersRegistry.setInit(() =>
  [...transformations.values()].map((transformation) => ({ id: transformation.id, name: transformation.name, transformation: async () => transformation, editor: () => null })),
);

const CELL = 38;
const replace = (text) => text;

function useFrames(panel, range, theme) {
  const [state, setState] = useState({});
  useEffect(() => {
    (async () => {
      try {
        let frames = await load(panel, range);
        if (panel.transformations) {
          frames = await firstValueFrom(transformDataFrame(panel.transformations, frames, { interpolate: replace }));
        }
        frames = applyFieldOverrides({ data: frames, fieldConfig: withInfinity(panel.fieldConfig), fieldConfigRegistry: registry, replaceVariables: replace, theme, timeZone: "browser" });
        setState({ frames });
      } catch (error) {
        console.error(`${panel.title}: ${error.stack}`);
        setState({ error: String(error) });
      }
    })();
  }, []);
  return state;
}

function sorted(frame, [by] = []) {
  const field = frame.fields.find(({ config, name }) => (config.displayName ?? name) === by?.displayName);
  if (!field) return frame;
  const order = field.values.map((_, index) => index).sort((a, b) => (by.desc ? -1 : 1) * ((field.values[a] ?? 0) - (field.values[b] ?? 0)));
  return { ...frame, fields: frame.fields.map((one) => ({ ...one, values: order.map((index) => one.values[index]) })) };
}

// As Grafana's own panel does: what is not finite is a gap.
function finite(frame) {
  const fields = frame.fields.map((field) => (field.type === FieldType.number ? { ...field, values: field.values.map((value) => (Number.isFinite(value) ? value : null)) } : field));
  return { ...frame, fields };
}

function Values({ panel, frames, width, height, theme }) {
  const values = getFieldDisplayValues({ fieldConfig: withInfinity(panel.fieldConfig), reduceOptions: panel.options.reduceOptions, replaceVariables: replace, theme, data: frames, sparkline: panel.options.graphMode === "area", timeZone: "browser" });
  if (panel.type === "stat") {
    return values.slice(0, 1).map((value) => (
      <BigValue key={0} width={width} height={height} theme={theme} value={{ ...value.display, title: undefined }} sparkline={value.sparkline} colorMode={BigValueColorMode.Value}
        graphMode={panel.options.graphMode === "area" ? BigValueGraphMode.Area : BigValueGraphMode.None} justifyMode={BigValueJustifyMode.Auto} textMode={BigValueTextMode.Auto} />
    ));
  }
  const alignmentFactors = getDisplayValueAlignmentFactors(values);
  return values.map((value, index) => (
    <BarGauge alignmentFactors={alignmentFactors} key={index} width={width} height={Math.min(40, height / values.length)} theme={theme} field={value.field} value={value.display} display={value.view?.getFieldDisplayProcessor(value.colIndex)}
      orientation="horizontal" displayMode={panel.options.displayMode} showUnfilled text={panel.options.text} namePlacement="left" itemSpacing={4} />
  ));
}

// Heat maps and state timelines are plug-ins of their own that no package carries: plain cells in the panel's colors.
function Cells({ panel, frames, width, height, theme }) {
  const heat = panel.type === "heatmap";
  const rows = heat ? [...frames].sort((a, b) => Number(a.name.replace("+Inf", "Infinity")) - Number(b.name.replace("+Inf", "Infinity"))).reverse() : frames;
  const values = rows.map((frame) => frame.fields[1].values);
  const counts = heat ? values.map((row, index) => row.map((value, column) => Math.max(0, (value ?? 0) - (values[index + 1]?.[column] ?? 0)))) : values;
  const most = Math.max(1, ...counts.flat().filter(Number.isFinite));
  const named = (panel.fieldConfig.defaults.mappings ?? []).flatMap(({ options }) => Object.values(options)).filter(({ text }) => text);
  return (
    <div style={{ width, height, fontSize: 11 }}>
      <table style={{ width, height: height - (named.length > 0 ? 20 : 0), borderSpacing: 0 }}>
        <tbody>
          {rows.map((frame, index) => (
            <tr key={frame.name}>
              <td style={{ width: 80, paddingRight: 8, whiteSpace: "nowrap" }}>{frame.name}</td>
              {counts[index].map((value, column) => (
                <td key={column} style={{ padding: 0, background: value === null ? "none" : heat ? `rgba(255, 120, 10, ${value / most})` : frame.fields[1].display(value).color }} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {named.map(({ text, color }) => (
        <span key={text} style={{ marginRight: 12 }}>
          <span style={{ display: "inline-block", width: 14, height: 4, marginRight: 6, verticalAlign: "middle", background: theme.visualization.getColorByName(color) }} />
          {text}
        </span>
      ))}
    </div>
  );
}

function Body({ panel, frames, range, width, height, theme }) {
  if (frames.every((frame) => frame.length === 0)) return <div style={{ padding: 8, opacity: 0.6 }}>{panel.fieldConfig.defaults.noValue ?? "No data"}</div>;
  switch (panel.type) {
    case "stat":
    case "bargauge":
      return <Values {...{ panel, frames, width, height, theme }} />;
    case "table":
      return <Table data={sorted(frames[0], panel.options.sortBy)} width={width} height={height} ariaLabel={panel.title} />;
    case "timeseries": {
      const timeRange = { from: dateTime(range.from * 1000), to: dateTime(range.to * 1000), raw: { from: "", to: "" } };
      return <TimeSeries frames={frames.map(finite)} timeRange={timeRange} timeZone="browser" width={width} height={height} legend={panel.options.legend} />;
    }
    default:
      return <Cells {...{ panel, frames, width, height, theme }} />;
  }
}

export function Panel({ panel, range, column }) {
  const theme = useTheme2();
  const { frames, error } = useFrames(panel, range, theme);
  const { x, y, w, h } = panel.gridPos;
  const box = { position: "absolute", left: x * column, top: y * CELL, width: w * column - 8, height: h * CELL - 8 };
  return (
    <div style={box} data-panel={panel.title} data-state={error ? "error" : frames ? "ready" : "loading"}>
      <PanelChrome title={panel.title} width={box.width} height={box.height}>
        {(width, height) => (error ? <pre>{error}</pre> : frames ? <Body {...{ panel, frames, range, width, height, theme }} /> : null)}
      </PanelChrome>
    </div>
  );
}

export const height = (dashboard) => Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h)) * CELL;
export const Row = ({ panel, column }) => (
  <h4 style={{ position: "absolute", left: 0, top: panel.gridPos.y * CELL + 8, width: 24 * column }}>{panel.title}</h4>
);
