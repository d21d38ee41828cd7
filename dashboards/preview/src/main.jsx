// Draws one dashboard: /?dashboard=invitations-overview.json&minutes=60&theme=light
import { createTheme, ThemeContext } from "@grafana/data";
import { GlobalStyles, PortalContainer } from "@grafana/ui";
import { createRoot } from "react-dom/client";
import { height, Panel, Row } from "./panel.jsx";

const parameters = new URLSearchParams(location.search);
const dashboard = await (await fetch(`/dashboards/${parameters.get("dashboard")}`)).json();
const theme = createTheme({ colors: { mode: parameters.get("theme") ?? "dark" } });
const to = Math.floor(Date.now() / 1000);
const range = { from: to - 60 * Number(parameters.get("minutes") ?? 60), to };
const column = (document.documentElement.clientWidth - 16) / 24;
document.body.style.background = theme.colors.background.canvas;

createRoot(document.getElementById("root")).render(
  <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    <h2>{dashboard.title}</h2>
    <div style={{ position: "relative", height: height(dashboard) }}>
      {dashboard.panels.map((panel) =>
        panel.type === "row" ? <Row key={panel.id} {...{ panel, column }} /> : <Panel key={panel.id} {...{ panel, range, column }} />,
      )}
    </div>
    <PortalContainer />
  </ThemeContext.Provider>,
);
