import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.dashboard.formats import Style, find_style, format_age, format_period, format_quantity
from apps.metrics.catalogue import METRICS

EXAMPLES_FILE = Path(__file__).parent / "quantities.json"
EXAMPLES = json.loads(EXAMPLES_FILE.read_text())
SCRIPT_FILE = Path(__file__).resolve().parents[2] / "static" / "js" / "format.js"
NODE = shutil.which("node")


@pytest.mark.parametrize(("value", "style", "text"), EXAMPLES)
def test_a_quantity_is_written_with_its_unit(value, style, text):
    assert format_quantity(value, Style(style)) == text


@pytest.mark.skipif(NODE is None, reason="there is no node to run the browser's module")
def test_the_browser_writes_every_quantity_the_same(tmp_path):
    module = tmp_path / "format.mjs"
    module.write_text(SCRIPT_FILE.read_text())
    program = (
        f'import {{ formatQuantity }} from "{module}";'
        f"const examples = {json.dumps(EXAMPLES)};"
        "console.log(JSON.stringify(examples.map(([v, s]) => formatQuantity(v, s))));"
    )
    run = subprocess.run(
        [NODE, "--input-type=module", "--eval", program], capture_output=True, check=True
    )
    assert json.loads(run.stdout) == [text for _value, _style, text in EXAMPLES]


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(list(Style)))
def test_any_finite_value_has_a_text(value, style):
    assert format_quantity(value, style)


def test_every_metric_of_the_catalogue_has_a_style_that_fits_its_unit():
    found = {name: find_style(name) for name in METRICS}
    assert found["net.rtt.median"] == Style.DURATION
    assert found["net.packet.loss.ratio"] == Style.RATIO
    assert found["http.response.status_code"] == Style.NUMBER
    assert found["http.compression.ratio"] == Style.NUMBER
    assert found["system.network.link.up"] == Style.FLAG
    assert found["system.disk.io.rate"] == Style.BYTE_RATE
    assert {name for name, style in found.items() if METRICS[name].unit == "s"} == {
        name for name, style in found.items() if style == Style.DURATION
    }


def test_shares_and_yes_or_no_are_written_as_what_the_catalogue_says_they_are():
    plain = [metric for metric in METRICS.values() if metric.unit == "1"]
    flags = {one.name for one in plain if one.description.startswith(("1 when ", "1 while "))}
    shares = {one.name for one in plain if one.description.startswith("Share of ")}
    assert {one.name for one in plain if find_style(one.name) == Style.FLAG} == flags
    assert shares <= {one.name for one in plain if find_style(one.name) == Style.RATIO}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (59, "59 s"), (119, "119 s"), (120, "2 min"), (7300, "2 h"), (200_000, "2 d")],
)
def test_an_age_is_told_in_one_unit(seconds, text):
    assert format_age(seconds).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "200 ms"), (30, "30 s"), (2.5, "2.5 s"), (300, "5 min")]
)
def test_a_chosen_period_has_no_digits_nobody_typed(seconds, text):
    assert format_period(seconds).replace("\u00a0", " ") == text
