"""Pictures as people hand them in."""

from io import BytesIO

from PIL import Image


def make_picture(width=60, height=20, *, format="PNG", colour="#c01a1a"):
    """The bytes of a picture of one colour."""
    written = BytesIO()
    Image.new("RGB", (width, height), colour).save(written, format)
    return written.getvalue()
