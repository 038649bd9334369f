import pytest

from streamswarm.logs import hide_secrets

KEY = "0a1b2c3d." + "x" * 43


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Agent {KEY}",
        "Authorization: Bearer 0123456789abcdef",
        f"key={KEY}",
        f"{KEY}",
    ],
)
def test_what_looks_like_a_key_never_reaches_the_log(text):
    event = hide_secrets(None, "info", {"event": "request", "header": text})
    assert "[hidden]" in event["header"]
    assert KEY not in event["header"]
    assert "0123456789abcdef" not in event["header"]


def test_other_fields_stay_as_they_are():
    event = {"event": "records_rejected", "client": "7f7c7c0e", "count": 3}
    assert hide_secrets(None, "info", dict(event)) == event
