"""Command lines without the secrets that people put into them."""

import re
from collections.abc import Iterable, Iterator, Sequence

HIDDEN = "[hidden]"
LONGEST_COMMAND = 200
SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)?|pwd|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|auth"
    r"|credential|cookie|session|bearer|signature|dsn",
    re.IGNORECASE,
)
OPTION = re.compile(r"-{1,2}[^=\s]+|[A-Za-z_][A-Za-z0-9_.-]*(?==)")
URL_CREDENTIALS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^/\s@]*@")
URL_SECRET = re.compile(
    r"(?P<name>[?&;][^=&\s]*(?:pass|pwd|secret|token|key|auth|sig|session)[^=&\s]*)=[^&\s]*",
    re.IGNORECASE,
)
HEADER = re.compile(
    r"(?P<name>authorization|proxy-authorization|cookie|x-api-key)\s*:.*", re.IGNORECASE
)
LOOKS_SECRET = re.compile(
    r"(?=[^/]*[0-9])(?=[^/]*[A-Za-z])[A-Za-z0-9_+=-]{32,}"  # keys, hashes, base64
    r"|(gh[pousr]|github_pat|sk|pk|rk|xox[abprs]|glpat|AKIA|eyJ)[-_A-Za-z0-9.]{10,}"
)
SHORT_PASSWORD = {"-p", "-P", "-u", "--user", "-U"}
"""Options that take a password, or a name with one, as their next argument in common programs."""


def redact(arguments: Sequence[str]) -> str:
    """The command line with `[hidden]` for what is, or may well be, a secret; 200 letters.

    Hidden are values of options named like secrets (`--password=x`, `--token x`, `PGPASSWORD=x`),
    user names with passwords and signed parameters in URLs, authorization headers, `-pSECRET`,
    and single words that look like keys. It errs towards hiding; the first argument, the
    program, only loses credentials of a URL.
    """
    if not arguments:
        return ""
    if len(arguments) == 1:
        # A process that wrote its own title left no ends of arguments.
        arguments = arguments[0].split() or [""]
    words = [hide_in_url(arguments[0]), *redact_words(arguments[1:])]
    return " ".join(words)[:LONGEST_COMMAND]


def redact_words(words: Iterable[str]) -> Iterator[str]:
    is_next_secret = False
    for word in words:
        if is_next_secret and not word.startswith("--"):
            yield HIDDEN
            is_next_secret = False
            continue
        is_next_secret = asks_for_secret(word)
        yield redact_word(word)


def asks_for_secret(word: str) -> bool:
    """Whether the argument after this one is a secret."""
    if word in SHORT_PASSWORD or word.lower() in {"bearer", "basic"}:
        return True
    return word.startswith("-") and "=" not in word and bool(SECRET_NAME.search(word))


def redact_word(word: str) -> str:
    match = OPTION.match(word)
    name, separator, value = word.partition("=")
    if match is not None and separator:
        if SECRET_NAME.search(name):
            return f"{name}={HIDDEN}"
        return f"{name}={redact_value(value)}"
    if word.startswith("-p") and not word.startswith("--") and any(map(str.isalpha, word[2:])):
        return f"-p{HIDDEN}"
    return redact_value(word)


def redact_value(value: str) -> str:
    if header := HEADER.search(value):
        return f"{value[: header.start()]}{header['name']}: {HIDDEN}"
    shown = hide_in_url(value)
    return HIDDEN if shown == value and LOOKS_SECRET.fullmatch(value) else shown


def hide_in_url(value: str) -> str:
    shown = URL_CREDENTIALS.sub(rf"\g<scheme>{HIDDEN}@", value)
    return URL_SECRET.sub(rf"\g<name>={HIDDEN}", shown)
