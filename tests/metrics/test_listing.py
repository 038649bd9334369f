"""docs/metrics.md has the catalogue whole and as it is."""

from apps.metrics.catalogue import ABSENT_CODES, METRICS
from apps.metrics.listing import BEGIN, write_tables
from scripts.write_metrics import replace_tables
from tests.conventions import ROOT

PAGE = (ROOT / "docs" / "metrics.md").read_text()


def test_the_page_is_what_the_script_writes():
    assert replace_tables(PAGE) == PAGE


def test_the_page_explains_every_absence_code():
    before = PAGE.partition(BEGIN)[0]
    for code, meaning in ABSENT_CODES.items():
        assert f"`{code}` {meaning.split()[0]}" in before


def test_every_metric_has_a_row_of_the_head_s_width():
    lines = write_tables(METRICS.values()).splitlines()
    rows = {line.split("`")[1]: line for line in lines if line.startswith("| `")}
    assert rows.keys() == METRICS.keys()
    heads = {line.count("|") for line in lines if line.startswith("| metric")}
    assert {line.count("|") for line in rows.values()} == heads
