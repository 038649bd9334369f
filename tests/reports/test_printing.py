"""The printer: tagged PDFs, nothing fetched, and an end to what wants too much."""

import re
import socketserver
import threading
import zlib
from contextlib import contextmanager

import pytest

from apps.reports.errors import PrintingFailed
from apps.reports.services.reports.document import build_stylesheet
from apps.reports.writers.press import Limits, print_html

PAGE = (
    '<!DOCTYPE html><html lang="en"><head><title>Vienna</title><style>{style}</style></head>'
    "<body>{body}</body></html>"
)


def write(body, style=""):
    return PAGE.format(body=body, style=style)


def unfold(content):
    """The PDF with its packed streams unpacked, to look for words in."""
    unpacked = []
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL):
        try:
            unpacked.append(zlib.decompress(stream))
        except zlib.error:
            unpacked.append(stream)
    return content + b"".join(unpacked)


@contextmanager
def listen():
    """The port of a server on loopback, and all that was sent to it."""
    heard = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            heard.append(self.request.recv(500))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1], heard
        finally:
            server.shutdown()


def test_a_document_becomes_a_tagged_pdf_with_language_title_and_bookmarks():
    printed = print_html(write("<h1>Summary</h1><p>All is well.</p>"))
    assert printed.pages == 1
    assert printed.content.startswith(b"%PDF-")
    for mark in (b"pdfuaid", b"/StructTreeRoot", b"/MarkInfo", b"/Outlines", b"/Lang"):
        assert mark in unfold(printed.content), mark


def test_pages_are_counted_and_the_same_document_gives_the_same_bytes():
    html = write("<p>one</p><p style='break-before: page'>two</p>")
    first = print_html(html)
    assert first.pages == 2
    assert print_html(html) == first


def test_the_fonts_are_our_own_and_inside():
    style = "p { font-family: Inter, 'Inter Extended' }" + build_stylesheet()
    content = unfold(print_html(write("<p>Žižkov</p>", style)).content)
    assert b"Inter" in content
    assert b"/FontFile" in content


def test_nothing_is_fetched_from_the_network_or_from_files(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("hunter2")
    with listen() as (port, heard):
        url = f"http://127.0.0.1:{port}/x"
        body = (
            f'<img src="{url}.png" alt="x"><link rel="stylesheet" href="{url}.css">'
            f'<link rel="attachment" href="file://{secret}"><object data="{url}"></object>'
            f'<svg xmlns="http://www.w3.org/2000/svg"><image href="file://{secret}"/></svg>'
        )
        style = f"@import url({url}2.css); body {{ background: url({url}.jpg) }}"
        printed = print_html(write(f"{body}<p>Still here.</p>", style))
    assert heard == []
    unfolded = unfold(printed.content)
    assert b"hunter2" not in unfolded
    assert b"/EmbeddedFile" not in unfolded


def test_what_wants_more_memory_than_it_may_is_ended():
    with pytest.raises(PrintingFailed):
        print_html(write("<p>x</p>" * 2000), Limits(memory_bytes=120 * 2**20))


def test_what_takes_longer_than_it_may_is_ended():
    with pytest.raises(PrintingFailed, match="longer than"):
        print_html(write("<p>x</p>"), Limits(seconds=0.01))


def test_the_printer_knows_none_of_the_servers_secrets(monkeypatch):
    from apps.reports.writers.press import describe_surroundings

    monkeypatch.setenv("SWARM_SECRET_KEY", "hunter2")
    assert "hunter2" not in str(describe_surroundings("/tmp/x"))  # noqa: S108 - a name alone
