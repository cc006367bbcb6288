"""Makes the pictures of README and the documentation, from the real thing: the demo, its dashboard, Chromium.

    .venv/bin/python docs/make_screens.py          # writes docs/dashboard-light.png and the others

It plays the demo for a human: signs in at Octo Hub, refreshes, pulls a plug. Needs Chromium (Debian: `apt-get install
chromium`) and the extra `dev`.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.async_api import async_playwright

from authflow.cli import demo, showcase
from authflow.cli.screen import Screen

HERE = Path(__file__).parent
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ROOT_FLAGS = ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []


async def main() -> None:
    """All of them, in both colour schemes."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*ROOT_FLAGS, "--disable-gpu"])
        for scheme in ("light", "dark"):
            with showcase.stage(Screen(err=True), demo.providers()) as (running, _):
                context = await browser.new_context(color_scheme=scheme, viewport={"width": 1360, "height": 940})
                page = await context.new_page()
                await page.goto(running.launch_url())
                await play(page)
                await page.screenshot(path=HERE / f"dashboard-{scheme}.png")
                await show_trace(page)
                await page.screenshot(path=HERE / f"trace-{scheme}.png")
                await context.close()
        await browser.close()


async def play(page: Any) -> None:
    """What a human would do in the first minute."""

    def row(label: str) -> Any:
        return page.locator("[role=row][data-id]").filter(has_text=label)

    for label in ("Acme", "Globex", "Acme", "Acme", "Globex", "Acme"):
        count = await page.locator("#latency rect").count()
        await row(label).get_by_role("button", name="Refresh now").click()
        await page.locator("#latency rect").nth(count).wait_for()
    async with page.context.expect_page() as opened:
        await row("Octo Hub").get_by_role("button", name="Sign in").click()
    login = await opened.value
    await login.get_by_role("button", name="Alan Turing").click()
    await login.get_by_role("button", name=re.compile("^(Allow|Authorize)")).click()
    await row("Octo Hub").filter(has_text="Authenticated").wait_for()
    await login.close()
    await page.get_by_role("group", name="Globex").get_by_role("button", name="Pull plug").click()
    await page.get_by_role("group", name="Globex").get_by_role("button", name="Put plug back").wait_for()
    await row("Globex").get_by_role("button", name="Refresh now").click()
    await row("Globex").locator(".trouble").wait_for()
    await page.evaluate("document.querySelectorAll('.notice .close').forEach(one => one.click())")
    await page.mouse.move(0, 0)
    await page.evaluate("Promise.allSettled(document.getAnimations().map(one => one.finished))")


async def show_trace(page: Any) -> None:
    """What was recorded of the sign-in at Octo Hub."""
    row = page.locator("[role=row][data-id]").filter(has_text="Octo Hub")
    await row.get_by_role("button", name="Details").click()
    await page.locator("#detail article").wait_for()
    await page.evaluate("document.querySelector('#detail article').scrollIntoView()")
    await page.evaluate("document.activeElement.blur()")
    await page.evaluate("Promise.allSettled(document.getAnimations().map(one => one.finished))")


if __name__ == "__main__":
    if CHROMIUM is None:
        sys.exit("Chromium is needed: apt-get install chromium")
    asyncio.run(main())
