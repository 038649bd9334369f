from apps.core.errors import StreamSwarmError


class PrintingFailed(StreamSwarmError):
    """The document could not be made into a PDF with what it may use."""

    def __init__(self, detail: str) -> None:
        super().__init__("printing_failed", detail)
