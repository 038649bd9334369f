"""The variables that seed what an administrator may change later, and the first tests."""

import re
from collections.abc import Callable

from apps.configuration.checking import check_value
from apps.configuration.definitions import BY_NAME, SettingKind
from streamswarm.parsing import (
    Variable,
    parse_flag,
    parse_seconds,
    parse_text,
    parse_words,
)

MOST_DEVICES = 50
ADDRESS_PATTERN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:_-]{0,252})")
LONGEST_DEVICE_NAME = 100


def read_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("must be a number") from None


READERS: dict[SettingKind, Callable[[str], object]] = {
    "flag": parse_flag,
    "whole": read_number,
    "number": read_number,
    "text": parse_text,
    "words": parse_words,
    "secret": parse_text,
    "choice": parse_text,
}


def parse_setting(name: str) -> Callable[[str], object]:
    """What reads the variable of a setting: by the rules its definition has for everybody."""
    definition = BY_NAME[name]
    return lambda text: check_value(definition, READERS[definition.kind](text))


def parse_devices(text: str) -> tuple[tuple[str, str], ...]:
    """Pairs of name and address out of `router=192.0.2.1,192.0.2.7`."""
    devices = []
    for word in parse_words(text):
        name, separator, address = (part.strip() for part in word.rpartition("="))
        if not ADDRESS_PATTERN.fullmatch(address) or (separator and not name):
            raise ValueError("must be addresses or name=address, with commas between")
        if len(name) > LONGEST_DEVICE_NAME or not name.isprintable():
            raise ValueError(f"each name must have at most {LONGEST_DEVICE_NAME} plain characters")
        devices.append((name or address, address))
    if len(devices) > MOST_DEVICES:
        raise ValueError(f"must be at most {MOST_DEVICES} devices")
    if len({name for name, _address in devices}) < len(devices):
        raise ValueError("must not name two devices alike")
    return tuple(devices)


SEED_VARIABLES: tuple[Variable, ...] = (
    Variable(
        "SWARM_SMTP_SERVER",
        "",
        parse_setting("smtp_server"),
        "Mail server; mail is off when empty.",
        "SMTP_SERVER",
    ),
    Variable(
        "SWARM_SMTP_PORT",
        "587",
        parse_setting("smtp_port"),
        "Port of the mail server.",
        "SMTP_PORT",
    ),
    Variable(
        "SWARM_SMTP_SECURITY",
        "starttls",
        parse_setting("smtp_security"),
        "Encryption to the mail server: starttls, tls or none.",
    ),
    Variable(
        "SWARM_EMAIL_USER",
        "",
        parse_setting("smtp_user"),
        "User name at the mail server; empty sends without signing in.",
        "EMAIL_USER",
    ),
    Variable(
        "SWARM_EMAIL_PASSWORD",
        "",
        parse_setting("smtp_password"),
        "Password at the mail server.",
        "EMAIL_PASSWORD",
        is_secret=True,
    ),
    Variable(
        "SWARM_MAIL_FROM",
        "",
        parse_setting("mail_sender"),
        "Address messages come from; the mail user when that is an address.",
    ),
    Variable(
        "SWARM_AUDIT_HEAD_RECIPIENTS",
        "",
        parse_setting("audit_head_recipients"),
        "Addresses that get the seal of the newest audit entry once a day, with commas between.",
    ),
    Variable(
        "SWARM_ALERT_RECIPIENTS",
        "",
        parse_setting("alert_recipients"),
        "Addresses that get notices, with commas between.",
        "ALERT_RECIPIENTS",
    ),
    Variable(
        "SWARM_ALERT_COOLDOWN_MINUTES",
        "15",
        parse_setting("alert_cooldown_minutes"),
        "Minutes for which the same notice is not repeated.",
        "ALERT_COOLDOWN_MINUTES",
    ),
    Variable(
        "SWARM_CPU_THRESHOLD_PERCENT",
        "80",
        parse_setting("cpu_threshold_percent"),
        "Share of the processor above which a client is marked as high.",
        "CPU_THRESHOLD_PERCENT",
    ),
    Variable(
        "SWARM_MEMORY_THRESHOLD_PERCENT",
        "85",
        parse_setting("memory_threshold_percent"),
        "Share of the memory above which a client is marked as high.",
        "MEMORY_THRESHOLD_PERCENT",
    ),
    Variable(
        "SWARM_DISK_THRESHOLD_PERCENT",
        "90",
        parse_setting("disk_threshold_percent"),
        "Share of a file system above which it is marked as high.",
        "DISK_THRESHOLD_PERCENT",
    ),
    Variable(
        "SWARM_BANDWIDTH_THRESHOLD_MBPS",
        "100",
        parse_setting("bandwidth_threshold_mbps"),
        "Traffic of an interface in Mbit/s above which it is marked as high.",
        "BANDWIDTH_THRESHOLD_MBPS",
    ),
    Variable(
        "SWARM_PING_TIMEOUT_SECONDS",
        "2",
        parse_setting("ping_timeout_seconds"),
        "Wait for a reply of a new ping test, seconds.",
        "PING_TIMEOUT_SECONDS",
    ),
    Variable(
        "SWARM_DEFAULT_TEST_DURATION",
        "300",
        parse_setting("default_test_duration_seconds"),
        "Duration offered for a new test, seconds.",
        "DEFAULT_TEST_DURATION",
    ),
    Variable(
        "SWARM_DEFAULT_TEST_INTERVAL",
        "5",
        parse_setting("default_test_interval_seconds"),
        "Sample interval offered for a new test, seconds.",
        "DEFAULT_TEST_INTERVAL",
    ),
    Variable(
        "SWARM_PAIRS_PER_TEST",
        "1000",
        parse_setting("pairs_per_test"),
        "Pairs that a star or mesh may have at most.",
    ),
    Variable(
        "SWARM_ANOMALY_SENSITIVITY",
        "normal",
        parse_setting("anomaly_sensitivity"),
        "How soon values are called unusual: normal, low or lowest.",
    ),
    Variable(
        "SWARM_HOST_INTERVAL_SECONDS",
        "10",
        parse_setting("host_interval_seconds"),
        "How often agents sample their host.",
        "SYSTEM_CHECK_INTERVAL",
    ),
    Variable(
        "SWARM_NETWORK_INTERVAL_SECONDS",
        "10",
        parse_setting("network_interval_seconds"),
        "How often agents sample their network interfaces.",
        "NETWORK_CHECK_INTERVAL",
    ),
    Variable(
        "SWARM_RAW_RETENTION_DAYS",
        "14",
        parse_setting("raw_retention_days"),
        "Days that every single measured value is kept.",
    ),
    Variable(
        "SWARM_FIVE_MINUTE_RETENTION_DAYS",
        "90",
        parse_setting("five_minute_retention_days"),
        "Days that buckets of five minutes are kept; at least as long as values.",
    ),
    Variable(
        "SWARM_HOUR_RETENTION_DAYS",
        "400",
        parse_setting("hour_retention_days"),
        "Days that buckets of an hour are kept; at least as long as those of five minutes.",
    ),
    Variable(
        "SWARM_DAY_RETENTION_DAYS",
        "3650",
        parse_setting("day_retention_days"),
        "Days that buckets of a day are kept; at least as long as those of an hour.",
    ),
    Variable(
        "SWARM_RESULT_RETENTION_DAYS",
        "400",
        parse_setting("result_retention_days"),
        "Days that the runs of tests are kept, with their results.",
    ),
    Variable(
        "SWARM_REPORT_RETENTION_DAYS",
        "400",
        parse_setting("report_retention_days"),
        "Days that made reports are kept, with their files.",
    ),
    Variable(
        "SWARM_FACT_RETENTION_DAYS",
        "90",
        parse_setting("fact_retention_days"),
        "Days that a fact is kept after another took its place.",
    ),
    Variable(
        "SWARM_FINDING_RETENTION_DAYS",
        "400",
        parse_setting("finding_retention_days"),
        "Days that findings and diagnoses are kept; twice as long where somebody gave feedback.",
    ),
    Variable(
        "SWARM_EXPORT_KEPT_HOURS",
        "24",
        parse_setting("export_kept_hours"),
        "Hours that a file of an export is kept for downloading.",
    ),
    Variable(
        "SWARM_EXPORT_QUOTA_MEGABYTES",
        "2048",
        parse_setting("export_quota_megabytes"),
        "What all files of exports together may take on the disk, MB.",
    ),
    Variable(
        "SWARM_MONITORED_DEVICES",
        "",
        parse_devices,
        "Devices that get a ping test at the first start: name=address,address.",
        "MONITORED_DEVICES",
    ),
    Variable(
        "SWARM_DEVICE_PING_INTERVAL",
        "60",
        parse_seconds(10, 86400),
        "How often those devices are pinged, seconds.",
        "DEVICE_PING_INTERVAL",
    ),
)
