"""A QR code as the path of an SVG drawing, which a template writes without inline styles."""

from dataclasses import dataclass

from qrcode.constants import ERROR_CORRECT_M
from qrcode.main import QRCode


@dataclass(frozen=True, slots=True)
class Drawing:
    """A square of `size` units; `path` is SVG path data of the dark ones."""

    size: int
    path: str


def draw_qr(text: str) -> Drawing:
    """The code of `text` with the quiet edge that readers need."""
    code = QRCode(error_correction=ERROR_CORRECT_M, border=3)
    code.add_data(text)
    code.make(fit=True)
    rows = code.get_matrix()
    dark = (
        f"M{column},{line}h1v1h-1z"
        for line, row in enumerate(rows)
        for column, is_dark in enumerate(row)
        if is_dark
    )
    return Drawing(size=len(rows), path="".join(dark))
