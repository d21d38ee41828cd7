#!/usr/bin/env python3
"""The status page in a real browser while one organization fails: in light and dark, wide and narrow, with and without scripts,
and behind a proxy that adds a path prefix.

axe-core judges its accessibility. Needs `playwright` and `axe-playwright-python` from PyPI, nginx, and Chromium:
/usr/bin/chromium, or the one that BROWSER names. Pictures are in target/tests.
"""

import os
import re
from importlib.resources import files

from playwright.sync_api import sync_playwright

from exporter import OUT, Demo, main, require, until
from servers import Proxy

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]
NAMES = "tbody tr th[scope=row]"


def failing(demo):
    """The organizations that fail."""
    return [one for one in demo.status()["organizations"] if one["last_error"]]


def read(page, name):
    """What somebody has to find on the page, and what must not happen to it."""
    text = page.inner_text("body")
    missing = [words for words in ("CSP invitations exporter", name, "What to do:", "failed in a row", "Available invitations")
               if words.lower() not in text.lower()]
    require(not missing, f"the page lacks {missing}")
    # The last good data is withdrawn at last, on a slow machine perhaps while this looks.
    require(re.search(r"\b(held|withdrawn)\b", text, re.I), "the page says neither held nor withdrawn")
    rows = page.locator(NAMES).all_inner_texts()
    require(len(rows) == 3 and rows[0].startswith(name), f"the failing organization is not the first of three: {rows}")
    require(page.title().startswith("1 in trouble"), f"the title is {page.title()!r}")
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    require(wide <= 0, f"the page is {wide} pixels too wide")


def judge(page):
    """axe-core's judgement; nothing serious may be left."""
    page.evaluate(AXE)
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    require(len(result["passes"]) > 10, "axe-core looked at next to nothing")
    for found in result["violations"]:
        print(f"axe-core: {found['impact']}: {found['id']}: {found['help']}")
    grave = [f"{found['id']}: {found['nodes'][0]['html']}" for found in result["violations"] if found["impact"] in ("serious", "critical")]
    require(not grave, f"axe-core: {grave}")
    return len(result["passes"])


def looks(browser, url, name):
    """The page as people see it."""
    for scheme in ("light", "dark"):
        for width in (1280, 1120, 360):
            # The page's own policy lets no script in: the judge is the only reason to go past it.
            context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True)
            page = context.new_page()
            page.goto(url)
            page.screenshot(path=OUT / f"status-{scheme}-{width}.png", full_page=True)
            read(page, name)
            lines = page.locator(".name").evaluate_all("names => names.map(name => name.getClientRects().length)")
            require(max(lines) == 1, f"at {width} pixels names take {lines} lines")
            print(f"{scheme}, {width} wide: {judge(page)} rules of axe-core hold")
            context.close()


def works_without_scripts(browser, url, name):
    """Search and page with JavaScript off, under the page's own policy; nothing comes from elsewhere."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    outside, said = [], []
    page.on("request", lambda request: outside.append(request.url) if not request.url.startswith((url, "data:")) else None)
    page.on("console", lambda message: said.append(message.text))
    page.goto(url)
    require(page.title().startswith("1 in trouble"), f"without JavaScript the title is {page.title()!r}")
    page.fill("input[name=q]", name)
    page.click("button[type=submit]")
    page.wait_for_url(re.compile(r"[?&]q="))
    require(page.locator(NAMES).count() == 1, f"a search for {name} shows {page.locator(NAMES).count()} organizations")
    require(not outside, f"resources from elsewhere: {outside}")
    require(not said, f"the browser complains: {said}")
    context.close()
    print("works without JavaScript")


def works_behind_a_prefix(browser, target, name):
    """The page below a path of a proxy: its style, its links, its search."""
    with Proxy("prefix", "/monitoring/csp", target) as proxy:
        until("the proxy", lambda: proxy.answers("/livez"))
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        failed = []
        page.on("response", lambda response: failed.append(response.url) if response.status >= 400 else None)
        # Without its slash, too: the proxy sends it to the one with it.
        page.goto(proxy.url)
        require(page.url == f"{proxy.url}/", f"{proxy.url} leads to {page.url}")
        hidden = page.locator("h2.visually-hidden").first.bounding_box()
        require(hidden["x"] < 0, f"the style sheet has no effect: {hidden}")
        page.screenshot(path=OUT / "status-prefix.png", full_page=True)
        addresses = page.locator("a[href]").evaluate_all("links => links.map(link => link.href)")
        require(len(addresses) >= 5, f"links: {addresses}")
        for address in addresses:
            require(address.startswith(f"{proxy.url}/"), f"a link leads away: {address}")
            answer = page.request.get(address)
            require(answer.status == 200, f"{address} answers {answer.status}")
        page.fill("input[name=q]", name)
        page.click("button[type=submit]")
        page.wait_for_url(re.compile(r"/monitoring/csp/\?q="))
        require(page.locator(NAMES).count() == 1, f"a search for {name} shows {page.locator(NAMES).count()} organizations")
        page.get_by_text("Show all").click()
        page.wait_for_url(f"{proxy.url}/")
        require(not failed, f"not found: {failed}")
        context.close()
    print("works behind a path prefix")


def check():
    with Demo() as demo, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ.get("BROWSER", "/usr/bin/chromium"), args=ARGUMENTS)
        demo.set_scenario(demo.organizations()[1], "credentials-revoked")
        name = until("a failing organization", lambda: failing(demo))[0]["name"]
        looks(browser, f"{demo.url}/", name)
        works_without_scripts(browser, f"{demo.url}/", name)
        works_behind_a_prefix(browser, demo.url, name)
        browser.close()


main(check)
