"""Pictures that people hand in, known by what they hold and not by their name."""

import struct
from io import BytesIO

from PIL import Image

FORMATS = ("PNG", "JPEG")
SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
LARGEST_SIDE_PIXELS = 2000


def check_picture(content: bytes) -> str:
    """What is wrong with a PNG or JPEG file, in words; empty when it can be drawn whole.

    What is larger is known by its first bytes, and not unpacked.
    """
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as picture:
            if max(picture.size) > LARGEST_SIDE_PIXELS:
                width, height = picture.size
                return (
                    f"must have at most {LARGEST_SIDE_PIXELS} by {LARGEST_SIDE_PIXELS} pixels,"
                    f" and has {width} by {height}"
                )
            picture.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return f"must have at most {LARGEST_SIDE_PIXELS} by {LARGEST_SIDE_PIXELS} pixels"
    except (OSError, SyntaxError, ValueError, struct.error):
        return "must be a whole PNG or JPEG picture"
    return ""


def find_media_type(content: bytes) -> str:
    """The media type of a PNG or JPEG file by its first bytes; empty for anything else."""
    kinds = (kind for signature, kind in SIGNATURES.items() if content.startswith(signature))
    return next(kinds, "")
