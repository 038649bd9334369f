import json

from agent.tests.answering_server import list_violations
from streamswarm_agent.collectors.base import CollectedDocument, CollectedFrame, Collection
from streamswarm_agent.collectors.connections import ConnectionsCollector
from streamswarm_agent.collectors.processes import ProcessesCollector
from streamswarm_agent.spool.spool import Spool, SpoolLimits
from streamswarm_agent.wire.records import (
    Record,
    Source,
    build_document,
    build_frame,
    split_measurements,
)

AT = "2026-01-31T12:00:00.000000Z"


def make_frame(sequence):
    (measurement,) = split_measurements({"system.uptime": 1.0}, {})
    return build_frame(Source("host", ""), at=AT, sequence=sequence, measurement=measurement)


def make_document(kind="processes"):
    return build_document(Source(kind, ""), at=AT, body={"total": 1})


async def test_a_document_is_spooled_beside_the_frames_of_its_pass(kept):
    collection = Collection(
        frames=(CollectedFrame("host", "", {"system.uptime": 1.0}),),
        documents=(CollectedDocument("connections", {"total": 3}),),
    )
    await kept.recorder.record_collection(collection)
    assert kept.payloads("connections") == [
        {"source": {"kind": "connections", "subject": ""}, "document": {"total": 3}}
    ]
    assert len(kept.payloads("frame")) == 1


async def test_what_the_real_host_sends_keeps_the_rules_of_the_wire(kept):
    for collector in (ProcessesCollector(), ConnectionsCollector()):
        await kept.recorder.record_collection(collector.collect())
        (payload,) = kept.payloads(collector.name)
        record = {"id": "1", "kind": collector.name, "at": AT, "data": payload}
        assert list_violations("record", record) == []


def test_a_full_spool_drops_documents_before_frames_and_results_last(tmp_path):
    spool = Spool(tmp_path / "spool.sqlite3", SpoolLimits(records=4))
    result = Record("result", AT, json.dumps({"run": "r"}))
    spool.add([make_frame(1), result, make_document(), make_document("connections"), make_frame(2)])
    assert [record.kind for record in spool.list_all()] == [
        "frame", "result", "connections", "frame"
    ]  # fmt: skip
    spool.add([make_frame(3), make_frame(4)])
    assert [record.kind for record in spool.list_all()] == ["result", "frame", "frame", "frame"]
    assert spool.dropped == 3
    spool.close()


def test_a_spool_of_an_earlier_version_learns_to_keep_last_results(tmp_path):
    spool = Spool(tmp_path / "spool.sqlite3")
    spool._connection.execute("DROP TABLE last_results")
    spool.close()
    spool = Spool(tmp_path / "spool.sqlite3")
    spool.add(
        [Record("result", AT, json.dumps({"assignment": "a"})), Record("result", AT, "no JSON")]
    )
    rows = spool._connection.execute("SELECT assignment FROM last_results").fetchall()
    assert rows == [("a",)]
    assert spool.depth == 2
    spool.close()
