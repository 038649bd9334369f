"""Every measured value: frames, a row for each of their numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, repeat
from typing import Any

import msgspec
from django.db.models import F, Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters

from apps.accounts.policy import AnyUser, Permission
from apps.clients.selectors import build_tag_filter, list_clients
from apps.metrics.fields import unpack_numbers
from apps.metrics.models import Frame, Layout, Source
from apps.metrics.selectors import ASSIGNMENT_KIND
from apps.reports.algorithms.tables import Chunk, Column, Position
from apps.reports.datasets.base import Filters, apply_filters, require_dataset
from apps.reports.datasets.columns import MOMENT, NUMBER, TEXT, WORD, identify
from apps.reports.datasets.naming import name_absence, name_unit
from apps.reports.selectors.fields import build_expression
from apps.reports.selectors.frames import FrameRow, match_later, read_frames
from apps.reports.selectors.keyset import count_rows, read_rows
from apps.tests.selectors import list_assignments

OF_SOURCE = (
    identify("client", "client_id"),
    Column("client_name", TEXT, "client__name"),
    Column("site", WORD, "client__site__slug"),
    Column("source", WORD, "kind"),
    Column("subject", TEXT, "subject"),
    identify("test", "assignment__test_id"),
    Column("test_name", TEXT, "assignment__test__name"),
)
DECODER = msgspec.json.Decoder(dict[str, str])


class SampleFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    client = filters.UUIDFilter(field_name="client_id")
    site = filters.CharFilter(field_name="client__site__slug", label="Short name of the site")
    tag = filters.CharFilter(
        method="keep_tagged", label="Short name of a tag; those below it count too"
    )
    source = filters.CharFilter(field_name="kind", label="Kind of source, such as host")
    subject = filters.CharFilter(label="Of which interface, disk and the like")
    test = filters.UUIDFilter(field_name="assignment__test_id")
    assignment = filters.UUIDFilter(field_name="assignment__id")
    metric = filters.CharFilter(
        method="keep_all", label="Name of a metric, with or without attributes"
    )
    after = filters.IsoDateTimeFilter(method="keep_all", label="Not before")
    before = filters.IsoDateTimeFilter(method="keep_all", label="Before")

    class Meta:
        model = Source
        fields: tuple[str, ...] = ()

    def keep_tagged(self, rows: QuerySet[Source], _name: str, slug: str) -> QuerySet[Source]:
        return rows.filter(build_tag_filter(slug, path="client__"))

    def keep_all(self, rows: QuerySet[Source], _name: str, _value: object) -> QuerySet[Source]:
        """What is asked of the frames, not of the sources."""
        return rows


def list_visible_sources(user: AnyUser) -> QuerySet[Source]:
    """The sources of clients that `user` sees; those of pairs by either end, as runs are."""
    own = list_clients(user).order_by().values("id")
    measured = list_assignments(user).order_by().values("source_id")
    by_client = Q(client_id__in=own) & ~Q(kind=ASSIGNMENT_KIND)
    return Source.objects.filter(by_client | Q(id__in=measured), client__deleted_at=None)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which keys of a layout are asked for, where they stand, and their units."""

    keys: list[str]
    units: list[str]
    places: list[int]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class SampleSelection:
    """Values of some sources, source after source, each oldest first. A unit is a frame."""

    sources: QuerySet[Source]
    after: datetime | None
    before: datetime | None
    metric: str
    _layouts: dict[int, Wanted] = field(default_factory=dict)

    def count_units(self, most: int | None = None) -> int:
        rows = self.keep_span(
            Frame.objects.filter(source_id__in=self.sources.order_by().values("id"))
        )
        return count_rows(rows, most)

    def keep_span(self, rows: QuerySet[Frame]) -> QuerySet[Frame]:
        if self.after is not None:
            rows = rows.filter(at__gte=self.after)
        return rows if self.before is None else rows.filter(at__lt=self.before)

    def read(self, behind: Position | None = None) -> Iterator[Chunk]:
        cells = [F("id"), *map(build_expression, OF_SOURCE)]
        sources = self.sources if behind is None else self.sources.filter(id__gte=behind[0])
        for step in read_rows(sources, cells, order=("id",)):
            for source_id, *words in zip(*step.columns, strict=True):
                rows = self.keep_span(Frame.objects.filter(source_id=source_id))
                if behind is not None and source_id == behind[0]:
                    rows = rows.filter(match_later(str(behind[1]), int(behind[2])))
                for frames in read_frames(rows):
                    position = (source_id, frames[-1].at, frames[-1].seq)
                    yield Chunk(self.spread(words, frames), len(frames), position)

    def spread(self, words: Sequence[Any], frames: Sequence[FrameRow]) -> list[Sequence[Any]]:
        """A row for each wanted number of each frame."""
        found = [self.find_wanted(frame.layout_id) for frame in frames]
        counts = [len(wanted.keys) for wanted in found]
        moments = map(repeat, [frame.at for frame in frames], counts)
        values: list[float | None] = []
        reasons: list[str | None] = []
        for frame, wanted in zip(frames, found, strict=True):
            numbers = pick_numbers(frame.values, wanted)
            values += numbers
            reasons += explain_missing(numbers, wanted.keys, frame.absent)
        total = len(values)
        return [
            *([word] * total for word in words),
            list(chain.from_iterable(wanted.keys for wanted in found)),
            list(chain.from_iterable(wanted.units for wanted in found)),
            list(chain.from_iterable(moments)),
            values,
            reasons,
        ]

    def find_wanted(self, layout_id: int) -> Wanted:
        wanted = self._layouts.get(layout_id)
        if wanted is None:
            keys = Layout.objects.values_list("keys", flat=True).get(id=layout_id)
            places = [place for place, key in enumerate(keys) if is_meant(key, self.metric)]
            names = [keys[place] for place in places]
            units = [name_unit(name) for name in names]
            wanted = Wanted(names, units, places, is_whole=len(places) == len(keys))
            self._layouts[layout_id] = wanted
        return wanted


def is_meant(key: str, metric: str) -> bool:
    """Whether a key is the one asked for, or has the name asked for."""
    return not metric or metric in {key, key.partition("{")[0]}


def pick_numbers(stored: Any, wanted: Wanted) -> Sequence[float | None]:
    """The wanted numbers of a frame, which SQLite stores as packed bytes."""
    numbers = unpack_numbers(bytes(stored)) if isinstance(stored, bytes | memoryview) else stored
    return numbers if wanted.is_whole else [numbers[place] for place in wanted.places]


def explain_missing(
    numbers: Sequence[float | None], keys: Sequence[str], absent: str | None
) -> Sequence[str | None]:
    """Beside each number why there is none; None where there is one."""
    if None not in numbers:
        return [None] * len(numbers)
    codes: Mapping[str, str] = DECODER.decode(absent) if absent else {}
    return [
        name_absence(codes.get(key)) if number is None else None
        for number, key in zip(numbers, keys, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class SampleDataset:
    name: str
    title: str | Promise
    columns: tuple[Column, ...]
    filterset: type[Any] = SampleFilter
    permission: Permission = Permission.VIEW

    def select(self, user: AnyUser, filters: Filters) -> SampleSelection:
        require_dataset(user, self.permission)
        rows, said = apply_filters(self.filterset, list_visible_sources(user), user, filters)
        after, before = said.get("after"), said.get("before")
        return SampleSelection(rows, after, before, metric=said.get("metric") or "")


SAMPLES = SampleDataset(
    name="samples",
    title=_("Measured values"),
    columns=(
        *OF_SOURCE,
        Column("metric", TEXT),
        Column("unit", WORD),
        Column("at", MOMENT),
        Column("value", NUMBER),
        Column("absent", WORD),
    ),
)
