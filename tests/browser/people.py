"""What people do on every page of the stories: sign in, with their phone at hand, and sign out."""

import base64
import hashlib
import hmac
import struct
import time

from playwright.sync_api import expect

STEP_SECONDS = 30
DIGITS = 6


def sign_in(visitor, name, password, *, path="/"):
    """From the sign-in page until the page asked for is live."""
    enter(visitor, name, password, path=path)
    expect(visitor.page.locator("#live")).to_have_attribute("data-state", "live")


def enter(visitor, name, password, *, path="/"):
    """Types name and password; what comes then is up to the server."""
    visitor.open(path)
    page = visitor.page
    page.get_by_label("Username").fill(name)
    page.locator("input[type=password]").fill(password)
    page.get_by_role("button", name="Sign in").click()


def sign_out(visitor):
    visitor.page.get_by_role("button", name="Sign out").click()
    visitor.page.wait_for_url("**/accounts/login/**")


def read_step():
    """The time step of right now."""
    return int(time.time()) // STEP_SECONDS


def compute_code(secret, step):
    """What an authenticator app shows in that time step (RFC 6238)."""
    key = base64.b32decode(secret)
    digest = hmac.new(key, struct.pack(">Q", step), hashlib.sha1).digest()
    at = digest[-1] & 0xF
    number = struct.unpack(">I", digest[at : at + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"
