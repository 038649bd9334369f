"""Certificates made for a test: sound, expired, for another host, weak, or signed by nobody."""

import datetime as dt
import ipaddress
import ssl
import subprocess
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

LAX = "DEFAULT:@SECLEVEL=0"


def name_of(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def as_pem(part):
    if isinstance(part, x509.Certificate):
        return part.public_bytes(serialization.Encoding.PEM)
    return part.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


class Authority:
    """A root with an intermediate; `issue` makes a server's context that has such a certificate."""

    def __init__(self, folder):
        self.folder = folder
        self.root_key = ec.generate_private_key(ec.SECP256R1())
        self.root = sign("Root", "Root", self.root_key, self.root_key, is_authority=True)
        self.middle_key = ec.generate_private_key(ec.SECP256R1())
        self.middle = sign("Middle", "Root", self.middle_key, self.root_key, is_authority=True)

    @cached_property
    def weak_key(self):
        return rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - the fault

    def trust(self, is_verified):
        """A client's context, as the probes make theirs, that trusts this root alone."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=as_pem(self.root).decode())
        if not is_verified:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def issue(
        self,
        host="site.example",
        *,
        days=30,
        key=None,
        is_sha1=False,
        is_self_signed=False,
        has_middle=True,
    ):
        key = key or ec.generate_private_key(ec.SECP256R1())
        issuer_key = key if is_self_signed else self.middle_key
        issuer = host if is_self_signed else "Middle"
        if is_sha1:
            own = self.sign_with_sha1(host, key)
        else:
            own = sign(host, issuer, key, issuer_key, days=days)
        path = self.folder / f"{own.serial_number:x}.pem"
        chain = [own] if is_self_signed or not has_middle else [own, self.middle]
        path.write_bytes(b"".join(as_pem(part) for part in (key, *chain)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers(LAX)
        context.load_cert_chain(path)
        context.names_asked_for = []
        context.sni_callback = lambda _, name, inner: inner.names_asked_for.append(name)
        context.certificate = own
        return context

    def sign_with_sha1(self, host, key):
        """By openssl: the library that signs the others no longer does that."""
        wish, middle = self.folder / "wish.pem", self.folder / "middle.pem"
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        builder = x509.CertificateSigningRequestBuilder().subject_name(name_of(host))
        signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
        wish.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        middle.write_bytes(as_pem(self.middle) + as_pem(self.middle_key))
        ordered = ["-sha1", "-days", "30", "-set_serial", "7", "-copy_extensions", "copy"]
        made = subprocess.run(
            ["openssl", "x509", "-req", *ordered, "-in", wish, "-CA", middle, "-CAkey", middle],
            check=True,
            capture_output=True,
        )
        return x509.load_pem_x509_certificate(made.stdout)


def sign(host, issuer, key, issuer_key, *, days=30, is_authority=False):
    now = dt.datetime.now(dt.UTC)
    begin = now - dt.timedelta(days=60)
    names = [x509.DNSName(host)]
    if not is_authority:
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    return (
        x509.CertificateBuilder()
        .subject_name(name_of(host))
        .issuer_name(name_of(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
