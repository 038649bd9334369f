"""What a certificate says, and what is weak in it."""

import hashlib
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography import x509

MAX_NAMES = 20
MAX_TEXT_LENGTH = 255
SAFE_RSA_BITS = 2048
SAFE_CURVE_BITS = 224
SIGNATURES: Mapping[str, str] = {
    "1.2.840.113549.1.1.4": "md5WithRSAEncryption",
    "1.2.840.113549.1.1.5": "sha1WithRSAEncryption",
    "1.2.840.113549.1.1.10": "rsassaPss",
    "1.2.840.113549.1.1.11": "sha256WithRSAEncryption",
    "1.2.840.113549.1.1.12": "sha384WithRSAEncryption",
    "1.2.840.113549.1.1.13": "sha512WithRSAEncryption",
    "1.2.840.113549.1.1.14": "sha224WithRSAEncryption",
    "1.2.840.10040.4.3": "dsa-with-sha1",
    "1.2.840.10045.4.1": "ecdsa-with-SHA1",
    "1.2.840.10045.4.3.1": "ecdsa-with-SHA224",
    "1.2.840.10045.4.3.2": "ecdsa-with-SHA256",
    "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
    "1.2.840.10045.4.3.4": "ecdsa-with-SHA512",
    "1.3.101.112": "ed25519",
    "1.3.101.113": "ed448",
}
"""Names of RFC 3279, 4055, 5758 and 8410; others are told by their number."""
BROKEN_HASHES = ("md5", "sha1")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate in its parts; times are Unix seconds, the fingerprint is SHA-256 in hex.

    `key_bits` is None for a key of a kind that is not known. `names` are those of the subject's
    alternative names, the only ones that count (RFC 9525).
    """

    subject: str
    issuer: str
    serial: str
    not_before: float
    not_after: float
    key_kind: str
    key_bits: int | None
    signature_algorithm: str
    fingerprint: str
    dns_names: tuple[str, ...]
    addresses: tuple[str, ...]

    def is_for(self, host: str) -> bool:
        """Whether the certificate names the host, an ASCII name in lower case or an address.

        Source: RFC 9525 section 6: a wildcard is a whole left-most label and stands for one label.
        """
        try:
            return str(ipaddress.ip_address(host)) in self.addresses
        except ValueError:
            parent = host.partition(".")[2]
            return any(name in {host, f"*.{parent}"} for name in self.dns_names)

    def as_document(self) -> dict[str, Any]:
        """What the page of a run shows of it; lists and texts are cut to a sane length."""
        return {
            "subject": self.subject[:MAX_TEXT_LENGTH],
            "issuer": self.issuer[:MAX_TEXT_LENGTH],
            "serial": self.serial[:MAX_TEXT_LENGTH],
            "not_before": self.not_before,
            "not_after": self.not_after,
            "key": f"{self.key_kind} {self.key_bits or ''}".strip(),
            "signature_algorithm": self.signature_algorithm,
            "fingerprint": self.fingerprint,
            "names": [
                name[:MAX_TEXT_LENGTH] for name in (*self.dns_names, *self.addresses)[:MAX_NAMES]
            ],
        }


def fingerprint_of(der: bytes) -> str:
    """SHA-256 of the certificate's DER form, in hex."""
    return hashlib.sha256(der).hexdigest()


def is_readable() -> bool:
    """Whether this host has what reading certificates needs (the library cryptography)."""
    try:
        import cryptography.x509  # noqa: F401 - whether it is there is the question
    except ImportError:
        return False
    return True


def read_certificate(der: bytes) -> Certificate | None:
    """The certificate's parts; None when this host cannot read it, or nobody could."""
    if not is_readable():
        return None
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return _describe(x509.load_der_x509_certificate(der), fingerprint_of(der))
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
        return None


def find_weaknesses(chain: Sequence[Certificate]) -> list[str]:
    """Sentences about keys and signatures of the chain that no longer protect, leaf first.

    The signature of a certificate that signed itself is not looked at: nobody relies on it.
    """
    weaknesses = []
    for place, certificate in enumerate(chain):
        name = "the certificate" if place == 0 else f"the issuer's certificate {place}"
        is_curve = certificate.key_kind == "EC"
        safe_bits = SAFE_CURVE_BITS if is_curve else SAFE_RSA_BITS
        is_counted = certificate.key_kind in {"EC", "RSA", "DSA"}
        if is_counted and certificate.key_bits is not None and certificate.key_bits < safe_bits:
            weaknesses.append(f"the key of {name} has {certificate.key_bits} bits")
        algorithm = certificate.signature_algorithm.lower()
        is_self_signed = certificate.subject == certificate.issuer
        weaknesses += [
            f"{name} is signed with {algorithm}"
            for broken in BROKEN_HASHES
            if broken in algorithm and not is_self_signed
        ]
    return weaknesses


def _describe(certificate: "x509.Certificate", fingerprint: str) -> Certificate:
    kind, bits = _describe_key(certificate)
    dns_names, addresses = _list_names(certificate)
    number = certificate.signature_algorithm_oid.dotted_string
    return Certificate(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc.timestamp(),
        not_after=certificate.not_valid_after_utc.timestamp(),
        key_kind=kind,
        key_bits=bits,
        signature_algorithm=SIGNATURES.get(number, number),
        fingerprint=fingerprint,
        dns_names=dns_names,
        addresses=addresses,
    )


def _describe_key(certificate: "x509.Certificate") -> tuple[str, int | None]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

    try:
        key = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return "unknown", None
    kinds: tuple[tuple[type, str, int | None], ...] = (
        (rsa.RSAPublicKey, "RSA", None),
        (ec.EllipticCurvePublicKey, "EC", None),
        (dsa.DSAPublicKey, "DSA", None),
        (ed25519.Ed25519PublicKey, "Ed25519", 256),
        (ed448.Ed448PublicKey, "Ed448", 456),
    )
    for kind, name, bits in kinds:
        if isinstance(key, kind):
            return name, bits or int(getattr(key, "key_size", 0)) or None
    return "unknown", None


def _list_names(certificate: "x509.Certificate") -> tuple[tuple[str, ...], tuple[str, ...]]:
    from cryptography import x509

    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return (), ()
    names = extension.value
    return (
        tuple(name.lower() for name in names.get_values_for_type(x509.DNSName)),
        tuple(str(address) for address in names.get_values_for_type(x509.IPAddress)),
    )
