"""Secrets that must be read again, kept under a key that is not in the database."""

import base64

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

PURPOSE = b"second factor"


def build_cipher() -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE)
    return Fernet(base64.urlsafe_b64encode(derived.derive(settings.SECRET_KEY.encode())))


def seal_text(text: str) -> str:
    return build_cipher().encrypt(text.encode()).decode()


def open_text(sealed: str) -> str:
    """The text that was sealed.

    Raises: cryptography.fernet.InvalidToken when it was sealed under another SECRET_KEY.
    """
    return build_cipher().decrypt(sealed.encode()).decode()
