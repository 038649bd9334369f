"""A kind of test that two agents run between them: what server and agents know of it."""

CONTRACT = {
    "metrics": [],
    "kind": {
        "title": "Talk",
        "description": "Asks the other agent again and again, and counts its answers.",
        "x-target": "host",
        "x-target-label": "Host",
        "x-participants": 2,
        "x-class": "normal",
        "type": "object",
        "additionalProperties": False,
        "properties": {},
    },
    "headline": ["net.rtt.median"],
    "chart": ["net.rtt.median", "net.packet.loss.ratio"],
}
