import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.autonomous_systems import AsnTable, find_systems

ROWS = """1.0.0.0\t1.0.0.255\t64500\tAU\tONE - Net
1.0.4.0\t1.0.7.255\t64501\tCN\tTWO
1.0.8.0\t1.0.8.255\t0\tNone\tNot routed
203.0.113.0\t203.0.113.9\t64502\tDE\tTHREE
2001:db8::\t2001:db8:ffff:ffff:ffff:ffff:ffff:ffff\t64503\tNL\tSIX
"""


@pytest.fixture
def write(tmp_path):
    def write_table(text):
        path = tmp_path / "asn.tsv"
        path.write_text(text)
        return AsnTable(path)

    return write_table


@pytest.mark.parametrize(
    ("address", "system"),
    [
        ("1.0.0.0", "AS64500 ONE - Net"),
        ("1.0.0.255", "AS64500 ONE - Net"),
        ("1.0.5.77", "AS64501 TWO"),
        ("203.0.113.9", "AS64502 THREE"),
        ("2001:db8::1", "AS64503 SIX"),
    ],
)
def test_the_range_around_an_address_tells_its_system(write, address, system):
    assert str(write(ROWS).find([address])[address]) == system


@pytest.mark.parametrize(
    "address",
    ["0.0.0.1", "1.0.1.0", "1.0.8.7", "203.0.113.10", "2001:db7::", "2001:db9::", "", "nonsense"],
)
def test_what_the_table_does_not_have_is_left_out(write, address):
    assert write(ROWS).find([address]) == {}


@pytest.mark.parametrize("text", ["", "\n", "no table at all", "a\tb\tc\td\te\n" * 9, "\0" * 9000])
def test_a_file_that_is_no_table_knows_nothing_and_ends(write, text):
    assert write(text).find(["1.0.0.1", "2001:db8::1"]) == {}


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=60, unique=True), st.data())
def test_every_address_is_found_in_its_own_range(tmp_path_factory, numbers, data):
    starts = sorted(numbers)
    ends = [*(start - 1 for start in starts[1:]), 2**32 - 1]
    lines = [
        f"{ipaddress.IPv4Address(start)}\t{ipaddress.IPv4Address(end)}\t{place + 1}\tXX\tN{place}\n"
        for place, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]
    path = tmp_path_factory.mktemp("asn") / "table.tsv"
    path.write_text("".join(lines))
    place = data.draw(st.integers(0, len(starts) - 1))
    number = data.draw(st.integers(starts[place], ends[place]))
    address = str(ipaddress.IPv4Address(number))
    assert AsnTable(path).find([address])[address].number == place + 1


def test_without_a_readable_table_there_is_no_answer(settings, tmp_path, caplog):
    settings.SWARM_ASN_TABLE = ""
    assert find_systems(["1.0.0.1"]) is None
    settings.SWARM_ASN_TABLE = str(tmp_path / "gone.tsv")
    assert find_systems(["1.0.0.1"]) is None
    assert "cannot read the table" in caplog.text
