"""Whether two exclusive runs ever have one client at the same time."""

from itertools import pairwise

from apps.tests.models import Reservation


def count_overlaps():
    """How many reservations begin before an earlier one of the same client has ended."""
    rows = Reservation.objects.order_by("client_id", "start_at")
    spans = list(rows.values_list("client_id", "start_at", "end_at"))
    return sum(
        later[0] == earlier[0] and later[1] < earlier[2] for earlier, later in pairwise(spans)
    )
