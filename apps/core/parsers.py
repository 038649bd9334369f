import re
from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import JSONParser

# No database takes the one, no answer could repeat the other.
UNSTORABLE_PATTERN = re.compile("[\x00\ud800-\udfff]")


class JsonParser(JSONParser):
    """JSON whose text can be stored and answered, nested no deeper than Python can follow."""

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            tree = super().parse(stream, media_type, parser_context)
            check_texts(tree, "body")
        except RecursionError as error:
            raise ParseError("JSON parse error - it nests too deep") from error
        return tree


def check_texts(value: Any, field: str) -> None:
    """Raises ValidationError naming the field that has a NUL or half of a surrogate pair."""
    if isinstance(value, str) and UNSTORABLE_PATTERN.search(value):
        detail = "contains a NUL or half of a surrogate pair"
        raise ValidationError({field: [detail]}, code="bad_text")
    if isinstance(value, dict):
        for name, item in value.items():
            check_texts(name, field)
            check_texts(item, name if field == "body" else f"{field}.{name}")
    elif isinstance(value, list):
        for item in value:
            check_texts(item, field)
