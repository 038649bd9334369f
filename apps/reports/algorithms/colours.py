"""Colours that can be told apart: measured and chosen by the rules of WCAG."""

BLACK, WHITE = "#000000", "#ffffff"
# WCAG 2.2, success criteria 1.4.3 (text) and 1.4.11 (lines and shapes that say something).
READABLE, VISIBLE = 4.5, 3.0
DARKENING_STEPS = 100
# Below it the sRGB curve is a line.
LINE_END = 0.04045


def measure_luminance(colour: str) -> float:
    """Relative luminance of a colour like #0f5fb8, from 0 (black) to 1 (white).

    Source: WCAG 2.2, definition of relative luminance.
    """
    red, green, blue = (straighten(part / 255) for part in split_colour(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def measure_contrast(one: str, other: str) -> float:
    """Contrast of two colours, from 1 (the same) to 21 (black and white); in either order.

    Source: WCAG 2.2, definition of contrast ratio.
    """
    dark, light = sorted((measure_luminance(one), measure_luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def choose_text(background: str) -> str:
    """Black or white, whichever is read better on the background; at least 4.5 always."""
    return max(WHITE, BLACK, key=lambda one: measure_contrast(one, background))


def darken(colour: str, least_contrast: float) -> str:
    """The colour, as light as it can be with that contrast to white paper; at most 21."""
    parts = split_colour(colour)
    for step in range(DARKENING_STEPS, 0, -1):
        red, green, blue = (part * step // DARKENING_STEPS for part in parts)
        darker = f"#{red:02x}{green:02x}{blue:02x}"
        if measure_contrast(darker, WHITE) >= least_contrast:
            return darker
    return BLACK


def split_colour(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of a colour like #0f5fb8, each from 0 to 255."""
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


def straighten(part: float) -> float:
    """The light of one part, whose number grows with what eyes see (sRGB)."""
    if part <= LINE_END:
        return part / 12.92
    return float(((part + 0.055) / 1.055) ** 2.4)
