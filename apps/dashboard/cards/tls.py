"""The certificate of a server, its issuers, and what is weak."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from apps.dashboard.cards.base import Card
from apps.dashboard.selectors.documents import list_objects, read_number, read_text
from apps.tests.models import Result, Run

TRUSTED = "trusted"
MOST_CERTIFICATES = 10
MOST_WORDS = 20
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class CertificateView:
    subject: str
    issuer: str
    serial: str
    key: str
    signature: str
    fingerprint: str
    names: tuple[str, ...]
    begins_at: datetime | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class TlsView:
    """What the card shows; `days_left` is below zero for an expired certificate."""

    verdict: str
    is_trusted: bool
    is_for_host: bool | None
    days_left: float | None
    version: str
    cipher: str
    protocol: str
    weaknesses: tuple[str, ...]
    own: CertificateView | None
    issuers: tuple[CertificateView, ...]


def build_tls_card(_run: Run, result: Result) -> Card | None:
    document = result.document
    verdict = read_text(document.get("verdict"))
    if not verdict:
        return None
    chain = [
        describe_certificate(one)
        for one in list_objects(document.get("certificates"))[:MOST_CERTIFICATES]
    ]
    match = result.values.get("tls.certificate.hostname_match")
    left = read_number(result.values.get("tls.certificate.expires_in"))
    view = TlsView(
        verdict=verdict,
        is_trusted=verdict == TRUSTED,
        is_for_host=None if match is None else match == 1,
        days_left=None if left is None else left / DAY_SECONDS,
        version=read_text(result.facts.get("tls.version")),
        cipher=read_text(result.facts.get("tls.cipher")),
        protocol=read_text(result.facts.get("tls.alpn")),
        weaknesses=list_texts(document.get("weaknesses")),
        own=chain[0] if chain else None,
        issuers=tuple(chain[1:]),
    )
    return Card("dashboard/cards/tls.html", view)


def describe_certificate(one: Mapping[str, Any]) -> CertificateView:
    return CertificateView(
        subject=read_text(one.get("subject")),
        issuer=read_text(one.get("issuer")),
        serial=read_text(one.get("serial")),
        key=read_text(one.get("key")),
        signature=read_text(one.get("signature_algorithm")),
        fingerprint=read_text(one.get("fingerprint")),
        names=list_texts(one.get("names")),
        begins_at=read_unix_time(one.get("not_before")),
        ends_at=read_unix_time(one.get("not_after")),
    )


def read_unix_time(value: Any) -> datetime | None:
    seconds = read_number(value)
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def list_texts(value: Any) -> tuple[str, ...]:
    found = value if isinstance(value, list) else []
    return tuple(text for text in found if isinstance(text, str) and text)[:MOST_WORDS]
