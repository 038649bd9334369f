"""The program that makes a PDF of an HTML document, in a process of its own that has little.

`python -m apps.reports.printing MEMORY_BYTES CPU_SECONDS` reads the document from its standard
input and writes one line of JSON, {"pages": N}, and then the PDF. It knows nothing of Django or of
the database, opens nothing but `data:` URLs, and ends when it wants more than it may.
"""

import hashlib
import json
import logging
import resource
import sys

SCHEMES = ("data",)
LARGEST_FILE_BYTES = 64 * 2**20


def limit(memory_bytes: int, cpu_seconds: int) -> None:
    """Give up, for good, all that a document should not need."""
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE_BYTES, LARGEST_FILE_BYTES))
    if sys.platform.startswith("linux"):
        # Elsewhere the limit of the address space is not kept, or not to be set.
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def print_document(html: bytes) -> tuple[int, bytes]:
    """How many pages, and the tagged PDF (PDF/UA-1); the same document gives the same bytes."""
    from weasyprint import HTML
    from weasyprint.urls import URLFetcher

    fetcher = URLFetcher(allowed_protocols=SCHEMES, allow_redirects=False)
    source = HTML(string=html.decode(), base_url=None, url_fetcher=fetcher)
    options = {
        "pdf_variant": "pdf/ua-1",
        "pdf_tags": True,
        "pdf_identifier": hashlib.sha256(html).digest()[:16],
    }
    document = source.render(**options)
    content = document.write_pdf(**options)
    if content is None:
        raise ValueError("the document was written nowhere")
    return len(document.pages), content


def main() -> None:
    limit(int(sys.argv[1]), int(sys.argv[2]))
    # What it has to say of fonts and styles is of no use to anybody here.
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    pages, content = print_document(sys.stdin.buffer.read())
    sys.stdout.buffer.write(json.dumps({"pages": pages}).encode() + b"\n")
    sys.stdout.buffer.write(content)


if __name__ == "__main__":
    main()
