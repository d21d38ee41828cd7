// Looks at the status page with Chromium, in light and in dark, with and without JavaScript, and lets axe-core judge it.
//
//   node check.mjs URL FOLDER NAME-OF-A-FAILING-ORGANIZATION
//
// Writes the pictures to FOLDER. BROWSER names another Chromium.
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [url, folder, failing] = process.argv.slice(2);
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const WIDTHS = [1280, 360];
const problems = [];

function require(condition, message) {
  if (!condition) problems.push(message);
}

/** What somebody has to find on the page, and what must not happen to it. */
async function read(page, how) {
  const text = await page.innerText("body");
  for (const words of ["CSP invitations exporter", failing, "What to do:", "Available invitations", "failed in a row"]) {
    require(text.toLowerCase().includes(words.toLowerCase()), `${how}: the page lacks "${words}"`);
  }
  // The last good data is withdrawn at last, on a slow machine perhaps while this looks.
  require(/\b(held|withdrawn)\b/i.test(text), `${how}: the page says neither held nor withdrawn`);
  const rows = await page.locator("tbody tr th[scope=row]").allInnerTexts();
  require(rows.length === 3, `${how}: ${rows.length} organizations instead of 3`);
  require(rows[0]?.startsWith(failing), `${how}: the failing organization is not the first: ${rows[0]}`);
  require((await page.title()).startsWith("1 in trouble"), `${how}: the title is "${await page.title()}"`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  require(wide <= 0, `${how}: the page is ${wide} pixels too wide`);
}

/** axe-core's judgement; nothing serious may be left. */
async function judge(page, how) {
  await page.addScriptTag({ path: axe });
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  for (const { id, impact, help, nodes } of violations) {
    const grave = impact === "serious" || impact === "critical";
    console.log(`${how}: axe-core: ${impact}: ${id}: ${help}`);
    if (grave) problems.push(`${how}: ${id}: ${help}: ${nodes.map((node) => node.html).slice(0, 3).join(" ")}`);
  }
}

const browser = await chromium.launch({
  executablePath: process.env.BROWSER ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of WIDTHS) {
      // The page's own policy lets no script in: the judge comes in past it, and is the only reason to bypass it.
      const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 }, bypassCSP: true });
      const page = await context.newPage();
      const how = `${colorScheme}, ${width} wide`;
      await page.goto(url);
      await read(page, how);
      await page.screenshot({ path: join(folder, `status-${colorScheme}-${width}.png`), fullPage: true });
      await judge(page, how);
      await context.close();
    }
  }

  const plain = await browser.newContext({ javaScriptEnabled: false });
  const page = await plain.newPage();
  const outside = [];
  const said = [];
  page.on("request", (request) => { if (!request.url().startsWith(url) && !request.url().startsWith("data:")) outside.push(request.url()); });
  page.on("console", (message) => said.push(message.text()));
  await page.goto(url);
  const title = await page.title();
  require(title.startsWith("1 in trouble"), `without JavaScript: the title is "${title}"`);
  await page.fill("input[name=q]", failing);
  await page.click("button[type=submit]");
  await page.waitForURL(/[?&]q=/);
  const rows = await page.locator("tbody tr th[scope=row]").count();
  require(rows === 1, `without JavaScript: a search for ${failing} shows ${rows} organizations`);
  require(outside.length === 0, `resources from elsewhere: ${outside.join(" ")}`);
  require(said.length === 0, `the browser complains: ${said.join("; ")}`);
} finally {
  await browser.close();
}

for (const problem of problems) console.error(problem);
console.log(`light and dark, ${WIDTHS.join(" and ")} wide, without JavaScript: ${problems.length} problems; pictures in ${folder}`);
process.exit(problems.length === 0 ? 0 : 1);
