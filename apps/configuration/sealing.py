"""Secrets as they stand in the database: encrypted, with a key that is not in it."""

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

PURPOSE = b"streamswarm settings"


@lru_cache(maxsize=4)
def derive_key(secret_key: str) -> Fernet:
    """The cipher of this installation (HKDF with SHA-256, RFC 5869; Fernet)."""
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE)
    return Fernet(base64.urlsafe_b64encode(derived.derive(secret_key.encode())))


def seal_secret(secret: str) -> str:
    """The secret as text that only this installation's signing key opens."""
    return derive_key(settings.SECRET_KEY).encrypt(secret.encode()).decode()


def open_secret(sealed: str) -> str:
    """The secret inside.

    Raises: ValueError when it was sealed with another signing key, or is damaged.
    """
    try:
        return derive_key(settings.SECRET_KEY).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise ValueError("was stored with another signing key") from None
