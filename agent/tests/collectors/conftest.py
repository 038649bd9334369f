"""What the tests of the collectors share: a clock to turn, and the catalogue of metrics."""

import json
from pathlib import Path

import pytest

CATALOGUE = Path(__file__).parents[2] / "wire" / "v1" / "metrics.json"


class Dial:
    """A monotonic clock that shows what it is set to."""

    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def dial():
    return Dial()


@pytest.fixture(scope="session")
def catalogue():
    return {metric["name"]: metric for metric in json.loads(CATALOGUE.read_text())["metrics"]}


@pytest.fixture
def collect(catalogue):
    """One pass of a collector, by subject, after checking all keys with the catalogue."""

    def run(collector):
        collection = collector.collect()
        for frame in collection.frames:
            assert frame.source_kind == collector.name
            assert not set(frame.values) & set(frame.absent)
            for key in [*frame.values, *frame.absent]:
                name, _, attributes = key.partition("{")
                names = {pair.split("=")[0] for pair in attributes.rstrip("}").split(",") if pair}
                assert names <= set(catalogue[name]["attributes"])
            for key, code in frame.absent.items():
                assert code in catalogue[key.partition("{")[0]]["absent"], (key, code)
        return {frame.subject: frame for frame in collection.frames}

    return run
