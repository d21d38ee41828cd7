// Draws each dashboard from a live Prometheus in headless Chromium and saves one picture of each.
//
//   npm ci && npm run build && PROMETHEUS=http://127.0.0.1:9090 npm run shoot -- [folder of the pictures] [minutes] [dark|light] [organization of its dashboard]
//
// Fails when a panel reports an error or never gets ready. BROWSER names another Chromium, TZ a time zone, WIDTH another width than 1600.
import { createReadStream, existsSync, mkdirSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join, normalize } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
const dashboards = join(here, "..");
const prometheus = process.env.PROMETHEUS ?? "http://127.0.0.1:9090";
const [folder = join(here, "pictures"), minutes = "60", theme = "dark", organization = ""] = process.argv.slice(2);
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".svg": "image/svg+xml" };

const server = createServer(async (request, response) => {
  const { pathname, search } = new URL(request.url, "http://localhost");
  if (pathname.startsWith("/api/")) {
    try {
      const answer = await fetch(prometheus + pathname + search, { method: request.method, body: Readable.toWeb(request), duplex: "half", headers: { "content-type": "application/x-www-form-urlencoded" } });
      response.writeHead(answer.status, { "content-type": "application/json" }).end(await answer.text());
    } catch (error) {
      response.writeHead(502).end(JSON.stringify({ status: "error", error: String(error) }));
    }
    return;
  }
  const root = pathname.startsWith("/dashboards/") ? dashboards : join(here, "dist");
  const path = join(root, normalize(pathname === "/" ? "/index.html" : pathname.replace(/^\/dashboards\//, "/")));
  if (!path.startsWith(root) || !existsSync(path)) return response.writeHead(404).end();
  response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream" });
  createReadStream(path).pipe(response);
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));

mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.BROWSER ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
let failed = 0;
try {
  for (const name of readdirSync(dashboards).filter((file) => file.endsWith(".json"))) {
    const page = await browser.newPage({ viewport: { width: Number(process.env.WIDTH ?? 1600), height: 1000 }, timezoneId: process.env.TZ ?? "UTC" });
    page.on("pageerror", (error) => {
      failed += 1;
      console.error(`${name}: ${error.stack}`);
    });
    await page.goto(`http://127.0.0.1:${server.address().port}/?dashboard=${name}&minutes=${minutes}&theme=${theme}&organization=${name.includes("organization") ? organization : ""}`);
    await page.waitForSelector("[data-panel]", { timeout: 120_000 });
    await page.waitForFunction(() => document.querySelectorAll('[data-state="loading"]').length === 0, undefined, { timeout: 120_000 });
    for (const panel of await page.$$('[data-state="error"]')) {
      failed += 1;
      console.error(`${name}: "${await panel.getAttribute("data-panel")}": ${await panel.innerText()}`);
    }
    const empty = await page.$$eval("[data-panel]", (panels) => panels.filter((panel) => panel.innerText.includes("No data")).map((panel) => panel.dataset.panel));
    await page.screenshot({ path: join(folder, name.replace(".json", ".png")), fullPage: true });
    console.log(`${name}: drawn${empty.length > 0 ? `; without data: ${empty.join(", ")}` : ""}`);
    await page.close();
  }
} finally {
  await browser.close();
  server.close();
}
process.exitCode = failed === 0 ? 0 : 1;
