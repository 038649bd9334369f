"""The secrets of links that let somebody in once."""

import hashlib
import secrets

SECRET_BYTES = 32


def make_secret() -> str:
    """A new secret of 256 bits, fit for a URL."""
    return secrets.token_urlsafe(SECRET_BYTES)


def digest_secret(secret: str) -> str:
    """What is stored of it; a secret of 256 bits needs no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()
