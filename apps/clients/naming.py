"""What beside clients and windows names a site or a tag; the rooms above say it."""

from collections.abc import Callable

# Takes "sites" or "tags" and a slug; returns what names it, as "the test DNS of Vienna".
FindNaming = Callable[[str, str], list[str]]

_finders: list[FindNaming] = []


def register_naming(find: FindNaming) -> None:
    """From now on nothing that `find` says is named can be deleted."""
    if find not in _finders:
        _finders.append(find)


def list_registered_naming(member: str, slug: str) -> list[str]:
    return [name for find in _finders for name in find(member, slug)]
