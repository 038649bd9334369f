"""Copies exactly the browser files that pages use from node_modules into static_vendor.

The folder is written anew each time. Icons become one SVG sprite, used as
`<svg class="icon"><use href="{% static 'vendor/icons.svg' %}#home"/></svg>`.
"""

import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Name in static_vendor: file below node_modules. A file that names a source map needs the map
# beside it, or the manifest storage refuses the file.
FILES: dict[str, str] = {
    "tabler.min.css": "@tabler/core/dist/css/tabler.min.css",
    "tabler.min.css.map": "@tabler/core/dist/css/tabler.min.css.map",
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "uPlot.esm.js": "uplot/dist/uPlot.esm.js",
    "uPlot.min.css": "uplot/dist/uPlot.min.css",
    # Of printed reports; pages use the reader's own fonts.
    "inter-latin-400.woff2": "@fontsource/inter/files/inter-latin-400-normal.woff2",
    "inter-latin-600.woff2": "@fontsource/inter/files/inter-latin-600-normal.woff2",
    "inter-latin-ext-400.woff2": "@fontsource/inter/files/inter-latin-ext-400-normal.woff2",
    "inter-latin-ext-600.woff2": "@fontsource/inter/files/inter-latin-ext-600-normal.woff2",
}

# fmt: off
ICONS: tuple[str, ...] = (
    "activity", "adjustments", "alert-circle", "alert-triangle", "antenna-bars-5", "api",
    "arrow-left", "arrow-right", "arrows-exchange", "arrows-sort", "ban", "bell", "bolt", "book",
    "building", "calendar", "chart-dots", "chart-line", "check", "chevron-down", "chevron-left",
    "chevron-right", "circle-check", "circle-dashed", "circle-x", "clock", "cloud-off", "copy",
    "cpu", "database", "device-desktop", "dots-vertical", "download", "external-link", "eye",
    "filter", "flag", "heartbeat", "help", "hexagons", "history", "home", "info-circle", "key",
    "language", "layout-dashboard", "link", "list-details", "loader", "lock", "logout", "map-pin",
    "menu-2", "moon", "network", "pencil", "player-pause", "player-play", "player-stop", "plug",
    "plus", "refresh", "repeat", "router", "search", "server", "settings", "shield-lock",
    "stethoscope", "sun", "sun-moon", "tag", "target", "terminal-2", "tool", "trash", "upload",
    "user", "users", "wifi", "wifi-off", "world", "x",
)
# fmt: on

CONTENT_PATTERN = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)
EMPTY_SQUARE_PATTERN = re.compile(r'<path stroke="none" d="M0 0h24v24H0z" fill="none"\s*/>\s*')


class MissingAssetError(Exception):
    """A listed file is not in node_modules: the list and package-lock.json disagree."""


def build_symbol(name: str, drawing: str) -> str:
    """One icon's drawing as a symbol whose stroke follows the text colour.

    Raises: MissingAssetError when the text is no SVG drawing.
    """
    content = CONTENT_PATTERN.search(drawing)
    if content is None:
        raise MissingAssetError(f"icon {name} holds no drawing")
    shapes = " ".join(EMPTY_SQUARE_PATTERN.sub("", content[1]).split())
    return (
        f'<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor"'
        f' stroke-width="2" stroke-linecap="round" stroke-linejoin="round">{shapes}</symbol>'
    )


def build_sprite(icon_folder: Path) -> str:
    symbols = [
        build_symbol(name, read_asset(icon_folder / f"{name}.svg").decode()) for name in ICONS
    ]
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def read_asset(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise MissingAssetError(f"{path} is missing: run npm ci") from None


def copy_assets(modules: Path, destination: Path) -> None:
    """Fills `destination` completely or, when something is missing, leaves it as it was."""
    contents = {name: read_asset(modules / source) for name, source in FILES.items()}
    sprite = build_sprite(modules / "@tabler" / "icons" / "icons" / "outline")
    shutil.rmtree(destination, ignore_errors=True)
    destination.mkdir(parents=True)
    for name, content in contents.items():
        (destination / name).write_bytes(content)
    # Last: set-up takes this file as the sign that the folder is complete.
    (destination / "icons.svg").write_text(sprite)


if __name__ == "__main__":
    try:
        copy_assets(ROOT / "node_modules", ROOT / "static_vendor")
    except MissingAssetError as error:
        sys.exit(str(error))
