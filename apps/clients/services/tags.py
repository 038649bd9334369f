"""Tag trees: what stands above a tag is kept beside it, so that filters stay one join."""

from collections.abc import Mapping

from apps.accounts.services import audited, record_audit
from apps.clients.algorithms.tree import find_way_round, list_ancestors, list_subtree
from apps.clients.models import Tag
from apps.clients.services.checking import refuse_named, save_checked
from apps.core.errors import Conflict, FieldError, Invalid


@audited()
def create_tag(*, slug: str, name: str, parent: Tag | None = None) -> Tag:
    """The stored tag.

    Raises: Invalid naming each wrong field.
    """
    parents = lock_tree()
    tag = Tag(slug=slug, name=name, parent=check_parent_exists(parent, parents))
    save_checked(tag)
    keep_lineage(tag, {**parents, tag.id: tag.parent_id})
    record_audit(action="create", target=tag, after=describe_tag(tag))
    return tag


@audited()
def change_tag(*, tag: Tag, name: str, parent: Tag | None) -> Tag:
    """The tag with its new name and place in the tree; its slug never changes.

    Raises: Invalid for an empty or overlong name, or a parent that stands below it.
    """
    parents = lock_tree()
    before = describe_tag(Tag.objects.select_related("parent").get(id=tag.id))
    tag.name, tag.parent = name, check_parent_exists(parent, parents)
    way = find_way_round(parents, tag.id, tag.parent_id)
    if way:
        raise Invalid([FieldError("parent", "cycle", describe_way(way))])
    save_checked(tag)
    keep_lineage(tag, {**parents, tag.id: tag.parent_id})
    record_audit(action="change", target=tag, before=before, after=describe_tag(tag))
    return tag


@audited()
def delete_tag(*, tag: Tag) -> None:
    """Remove a tag, also from its clients.

    Raises: Conflict while tags stand below it, or a role, an open invitation, a maintenance window
    or a test names it.
    """
    lock_tree()
    below = list(tag.children.values_list("slug", flat=True)[:5])
    if below:
        raise Conflict("tag_has_children", f"Tags stand below it: {', '.join(below)}.")
    refuse_named(tag)
    record_audit(action="delete", target=tag, before=describe_tag(tag))
    tag.delete()


def lock_tree() -> dict[int, int | None]:
    """Who stands above whom; every tag is locked, so that two changes never close a circle."""
    list(Tag.objects.select_for_update().order_by("id").values_list("id"))
    # Read again: who waited for the locks has not yet seen what was made meanwhile.
    return dict(Tag.objects.order_by().values_list("id", "parent_id"))


def check_parent_exists(parent: Tag | None, parents: Mapping[int, int | None]) -> Tag | None:
    if parent is not None and parent.id not in parents:
        raise Invalid([FieldError("parent", "unknown", "there is no such tag any more")])
    return parent


def describe_way(way: list[int]) -> str:
    slugs = dict(Tag.objects.filter(id__in=way).values_list("id", "slug"))
    return f"the tag would stand above itself: {' < '.join(slugs[step] for step in way)}"


def keep_lineage(tag: Tag, parents: Mapping[int, int | None]) -> None:
    """Write down anew what stands above the tag and above all below it."""
    below = list_subtree(parents, tag.id)
    links = Tag.lineage.through
    links.objects.filter(from_tag__in=below).delete()
    links.objects.bulk_create(
        links(from_tag_id=one, to_tag_id=ancestor)
        for one in below
        for ancestor in list_ancestors(parents, one)
    )


def describe_tag(tag: Tag) -> dict[str, object]:
    return {"slug": tag.slug, "name": tag.name, "parent": tag.parent.slug if tag.parent else None}
