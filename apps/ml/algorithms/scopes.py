"""What a model is about, as one word or a word and an id."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

EVERYTHING: Final = "all"
# Each may be followed by an id: of a kind of test its name, else a UUID.
WORDS: Final = (EVERYTHING, "kind", "test", "client", "assignment")
LONGEST_TEXT: Final = 120


@dataclass(frozen=True, slots=True)
class Scope:
    """Everything, a kind of test, a test, a client, or a test on a client (an assignment)."""

    word: str = EVERYTHING
    subject: str = ""

    def __post_init__(self) -> None:
        if self.word not in WORDS:
            raise ValueError(f"a scope is one of {', '.join(WORDS)}")
        if bool(self.subject) is (self.word == EVERYTHING):
            raise ValueError("a scope names what it is about, unless it is about everything")
        if self.word in {"test", "client", "assignment"}:
            UUID(self.subject)
        if len(self.text) > LONGEST_TEXT:
            raise ValueError(f"a scope has at most {LONGEST_TEXT} characters")

    @property
    def text(self) -> str:
        return f"{self.word}:{self.subject}" if self.subject else self.word


def parse_scope(text: str) -> Scope:
    """The scope of that text.

    Raises: ValueError for a text that is none.
    """
    word, _separator, subject = text.partition(":")
    return Scope(word, subject)
