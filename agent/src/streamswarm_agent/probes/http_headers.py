"""What the head of a web answer says of caches, delivery networks and the server's own work."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAX_STEPS = 10
MAX_WORD_LENGTH = 40
MAX_SECONDS = 10 * 365 * 86_400
NUMBER = re.compile(r"\d{1,12}(\.\d{1,12})?")
STEP = re.compile(r"[a-z0-9_.-]{1,40}")
STATUS_HEADERS = ("cf-cache-status", "x-vercel-cache", "x-cache-status", "x-cache")
HEADER_PROVIDERS: Mapping[str, str] = {
    "cf-ray": "Cloudflare",
    "x-amz-cf-id": "Amazon CloudFront",
    "x-fastly-request-id": "Fastly",
    "akamai-grn": "Akamai",
    "x-akamai-transformed": "Akamai",
    "x-azure-ref": "Azure Front Door",
    "x-vercel-id": "Vercel",
    "x-nf-request-id": "Netlify",
    "cdn-pullzone": "bunny.net",
    "x-77-cache": "CDN77",
    "x-iinfo": "Imperva",
    "x-sucuri-id": "Sucuri",
    "x-github-request-id": "GitHub Pages",
}
VALUE_PROVIDERS: Sequence[tuple[str, str, str]] = (
    ("server", "cloudflare", "Cloudflare"),
    ("server", "akamai", "Akamai"),
    ("server", "bunnycdn", "bunny.net"),
    ("server", "keycdn", "KeyCDN"),
    ("server", "gcore", "Gcore"),
    ("via", "cloudfront", "Amazon CloudFront"),
    ("via", "google", "Google"),
    ("x-served-by", "cache-", "Fastly"),
)
NAME_PROVIDERS: Mapping[str, str] = {
    "cloudfront.net": "Amazon CloudFront",
    "cdn.cloudflare.net": "Cloudflare",
    "fastly.net": "Fastly",
    "fastlylb.net": "Fastly",
    "akamai.net": "Akamai",
    "akamaiedge.net": "Akamai",
    "edgekey.net": "Akamai",
    "edgesuite.net": "Akamai",
    "azureedge.net": "Azure CDN",
    "azurefd.net": "Azure Front Door",
    "b-cdn.net": "bunny.net",
    "cdn77.org": "CDN77",
    "kxcdn.com": "KeyCDN",
    "incapdns.net": "Imperva",
    "vercel-dns.com": "Vercel",
    "netlify.app": "Netlify",
    "gcdn.co": "Gcore",
    "github.io": "GitHub Pages",
}
"""Where the aliases of their customers' names lead (CNAME records)."""


@dataclass(frozen=True, slots=True)
class CacheNote:
    """What the head says of caches; `status` is a lower-case word, empty when no cache spoke."""

    status: str
    age_seconds: float | None
    max_age_seconds: float | None


def read_cache(headers: Mapping[str, str]) -> CacheNote:
    """The note of the cache that is nearest to the client.

    Source: RFC 9211 (Cache-Status), RFC 9111 sections 5.1 and 5.2; else the words of the common
    caches, and an age above zero for a hit.
    """
    age = _read_seconds(headers.get("age", ""))
    status = _read_status(headers)
    if not status and age:
        status = "hit"
    return CacheNote(status, age, _read_max_age(headers.get("cache-control", "")))


def find_provider(headers: Mapping[str, str], canonical_name: str = "") -> str:
    """The delivery network that answered, by the tables above; empty when none is known."""
    for header, provider in HEADER_PROVIDERS.items():
        if header in headers:
            return provider
    for header, part, provider in VALUE_PROVIDERS:
        if part in headers.get(header, "").lower():
            return provider
    name = canonical_name.lower().rstrip(".")
    for suffix, provider in NAME_PROVIDERS.items():
        if name.endswith(f".{suffix}"):
            return provider
    return ""


def read_server_timing(text: str) -> dict[str, float]:
    """Seconds by step of a Server-Timing header, the first ten steps with a duration.

    Source: https://www.w3.org/TR/server-timing/ (durations there are milliseconds).
    """
    steps: dict[str, float] = {}
    for entry in text[:4096].split(","):
        name, *parameters = (part.strip() for part in entry.split(";"))
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            number = NUMBER.fullmatch(value.strip().strip('"'))
            step = name.lower()
            if key.strip().lower() == "dur" and number and STEP.fullmatch(step):
                steps.setdefault(step, float(number[0]) / 1000)
    return dict(list(steps.items())[:MAX_STEPS])


def _read_status(headers: Mapping[str, str]) -> str:
    nearest = headers.get("cache-status", "").rpartition(",")[2]
    if nearest:
        parameters = [part.strip().lower() for part in nearest.split(";")[1:]]
        return "hit" if "hit" in parameters else "miss"
    for header in STATUS_HEADERS:
        words = headers.get(header, "").rpartition(",")[2].strip().lower()
        for word in ("hit", "miss"):
            if word in words:
                return word
        if words:
            return words[:MAX_WORD_LENGTH]
    return ""


def _read_max_age(text: str) -> float | None:
    directives = {
        name.strip().lower(): value.strip().strip('"')
        for name, _, value in (part.partition("=") for part in text.split(","))
    }
    if "no-store" in directives:
        return 0.0
    for name in ("s-maxage", "max-age"):
        seconds = _read_seconds(directives.get(name, ""))
        if seconds is not None:
            return seconds
    return None


def _read_seconds(text: str) -> float | None:
    number = NUMBER.fullmatch(text.strip())
    return min(float(number[0]), MAX_SECONDS) if number else None
