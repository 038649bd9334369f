"""What a card is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Card:
    """A template and what it shows, as `content`."""

    template: str
    content: object
