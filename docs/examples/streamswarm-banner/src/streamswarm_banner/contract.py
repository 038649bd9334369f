"""What this plug-in adds to the contract of agents and server; imports neither of them."""

from typing import Any

GREETING = "banner.greeting.duration"
AVAILABILITY = "banner.availability.ratio"

CONTRACT: dict[str, Any] = {
    "metrics": [
        {
            "name": GREETING,
            "unit": "s",
            "group": "Banner",
            "kind": "gauge",
            "better": "lower",
            "description": "Mean time from the connection attempt to the first byte of greeting.",
            "source": "banner: monotonic clock around connect and first read",
            "absent": ["T"],
            "attributes": [],
        },
        {
            "name": AVAILABILITY,
            "unit": "1",
            "group": "Banner",
            "kind": "gauge",
            "better": "higher",
            "description": "Share of the attempts that were greeted.",
            "source": "banner: greeted attempts / attempts",
            "absent": ["I"],
            "attributes": [],
        },
    ],
    "kind": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Banner",
        "description": "Time until a server greets, as SSH, SMTP and FTP servers do.",
        "x-target": "host",
        "x-target-label": "Host name or IP address",
        "type": "object",
        "additionalProperties": False,
        "required": ["port"],
        "properties": {
            "port": {"type": "integer", "minimum": 1, "maximum": 65535, "title": "Port"},
            "interval_seconds": {
                "type": "number",
                "minimum": 0.2,
                "maximum": 60,
                "default": 1,
                "title": "Interval between connects",
                "x-unit": "s",
            },
            "timeout_seconds": {
                "type": "number",
                "minimum": 0.1,
                "maximum": 30,
                "default": 3,
                "title": "Wait for the greeting",
                "x-unit": "s",
            },
        },
    },
    "headline": [GREETING, AVAILABILITY],
    "chart": [GREETING, AVAILABILITY],
}
