"""What a browser does to sign in: to the provider, a choice on its page, and back."""

import html
import re

import httpx


async def sign_in(browser: httpx.AsyncClient, person: str) -> httpx.Response:
    """The console's answer to whoever comes back from the provider as `person`, before it is followed."""
    sent = await browser.get("/console/sign-in")
    assert sent.status_code == 303, sent.text
    page = await browser.get(sent.headers["location"])
    assert "选择登录身份" in page.text
    hidden = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page.text)
    form = {name: html.unescape(value) for name, value in hidden} | {"person": person}
    back = await browser.post(page.url.join("/authorize"), data=form)
    assert back.status_code == 303, back.text
    return await browser.get(back.headers["location"])
