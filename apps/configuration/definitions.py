"""The settings an administrator may change while the server runs; one line for each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

SettingKind = Literal["flag", "whole", "number", "text", "words", "secret", "choice"]
TextForm = Literal["", "host", "address"]

GROUPS: Mapping[str, str | Promise] = {
    "mail": _("Mail"),
    "thresholds": _("Thresholds"),
    "measuring": _("Measuring"),
    "learning": _("Learning"),
    "alerts": _("Alerts"),
    "sign-in": _("Signing in"),
    "audit": _("Audit"),
    "retention": _("Retention"),
}


@dataclass(frozen=True, slots=True)
class Definition:
    """One setting: what it may be, and the environment variable that seeds it."""

    name: str
    group: str
    kind: SettingKind
    variable: str
    title: str | Promise
    help: str | Promise = ""
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    # What each text must be: anything, a host's name or address, or an e-mail address.
    form: TextForm = ""


DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        "smtp_server",
        "mail",
        "text",
        "SWARM_SMTP_SERVER",
        _("Mail server"),
        _("Host name or address; empty switches mail off."),
        form="host",
    ),
    Definition(
        "smtp_port", "mail", "whole", "SWARM_SMTP_PORT", _("Port"), minimum=1, maximum=65535
    ),
    Definition(
        "smtp_security",
        "mail",
        "choice",
        "SWARM_SMTP_SECURITY",
        _("Encryption"),
        _("starttls is usual on port 587, tls on port 465; none sends everything in the clear."),
        choices=("starttls", "tls", "none"),
    ),
    Definition(
        "smtp_user",
        "mail",
        "text",
        "SWARM_EMAIL_USER",
        _("User name"),
        _("Empty sends without signing in."),
    ),
    Definition(
        "smtp_password",
        "mail",
        "secret",
        "SWARM_EMAIL_PASSWORD",
        _("Password"),
        _(
            "Stored encrypted and never shown again. When server, port or encryption change, it is "
            "forgotten unless it is given with them."
        ),
    ),
    Definition(
        "mail_sender",
        "mail",
        "text",
        "SWARM_MAIL_FROM",
        _("Sender"),
        _("The address messages come from; empty takes the user name when it is an address."),
        form="address",
    ),
    Definition(
        "alert_recipients",
        "alerts",
        "words",
        "SWARM_ALERT_RECIPIENTS",
        _("Recipients"),
        _("Addresses that get notices and, on request, the test message."),
        form="address",
    ),
    Definition(
        "alert_cooldown_minutes",
        "alerts",
        "number",
        "SWARM_ALERT_COOLDOWN_MINUTES",
        _("Quiet time"),
        _("How long the same notice is not repeated."),
        unit="min",
        minimum=0,
        maximum=10080,
    ),
    Definition(
        "cpu_threshold_percent",
        "thresholds",
        "number",
        "SWARM_CPU_THRESHOLD_PERCENT",
        _("Processor"),
        _("A client whose processor is busier is marked as high."),
        unit="%",
        minimum=1,
        maximum=100,
    ),
    Definition(
        "memory_threshold_percent",
        "thresholds",
        "number",
        "SWARM_MEMORY_THRESHOLD_PERCENT",
        _("Memory"),
        _("A client that uses more of its memory is marked as high."),
        unit="%",
        minimum=1,
        maximum=100,
    ),
    Definition(
        "disk_threshold_percent",
        "thresholds",
        "number",
        "SWARM_DISK_THRESHOLD_PERCENT",
        _("File systems"),
        _("A file system that is fuller is marked as high."),
        unit="%",
        minimum=1,
        maximum=100,
    ),
    Definition(
        "bandwidth_threshold_mbps",
        "thresholds",
        "number",
        "SWARM_BANDWIDTH_THRESHOLD_MBPS",
        _("Traffic of an interface"),
        _("An interface that receives or sends more is marked as high."),
        unit="Mbit/s",
        minimum=0.001,
        maximum=1_000_000,
    ),
    Definition(
        "ping_timeout_seconds",
        "measuring",
        "number",
        "SWARM_PING_TIMEOUT_SECONDS",
        _("Wait for a ping's reply"),
        _("What a new ping test waits when it says nothing else."),
        unit="s",
        minimum=0.01,
        maximum=30,
    ),
    Definition(
        "default_test_duration_seconds",
        "measuring",
        "number",
        "SWARM_DEFAULT_TEST_DURATION",
        _("Duration of a new test"),
        _("What the form and the API offer."),
        unit="s",
        minimum=1,
        maximum=86400,
    ),
    Definition(
        "default_test_interval_seconds",
        "measuring",
        "number",
        "SWARM_DEFAULT_TEST_INTERVAL",
        _("Sample interval of a new test"),
        _("What the form and the API offer."),
        unit="s",
        minimum=0.2,
        maximum=3600,
    ),
    Definition(
        "pairs_per_test",
        "measuring",
        "whole",
        "SWARM_PAIRS_PER_TEST",
        _("Pairs of a test"),
        _("The most that a star or mesh may have: 32 clients make 992 in a mesh both ways."),
        minimum=1,
        maximum=100_000,
    ),
    Definition(
        "anomaly_sensitivity",
        "learning",
        "choice",
        "SWARM_ANOMALY_SENSITIVITY",
        _("Sensitivity to unusual values"),
        _("normal tells of one value in a thousand, low and lowest of fewer and graver ones."),
        choices=("normal", "low", "lowest"),
    ),
    Definition(
        "host_interval_seconds",
        "measuring",
        "number",
        "SWARM_HOST_INTERVAL_SECONDS",
        _("Host figures"),
        _("How often agents sample processor, memory, disks and file systems."),
        unit="s",
        minimum=1,
        maximum=3600,
    ),
    Definition(
        "network_interval_seconds",
        "measuring",
        "number",
        "SWARM_NETWORK_INTERVAL_SECONDS",
        _("Interface figures"),
        _("How often agents sample their network interfaces."),
        unit="s",
        minimum=1,
        maximum=3600,
    ),
    Definition(
        "admin_two_factor_required",
        "sign-in",
        "flag",
        "SWARM_ADMIN_TWO_FACTOR",
        _("Administrators need a second factor"),
        _("An administrator without one is led to set it up before anything else."),
    ),
    Definition(
        "session_idle_minutes",
        "sign-in",
        "whole",
        "SWARM_SESSION_IDLE_MINUTES",
        _("Idle time of a session"),
        _("Without a page view or action for so long, a session ends."),
        unit="min",
        minimum=1,
        maximum=720,
    ),
    Definition(
        "audit_head_recipients",
        "audit",
        "words",
        "SWARM_AUDIT_HEAD_RECIPIENTS",
        _("Keepers of the audit's head"),
        _(
            "Addresses that get the seal of the newest audit entry once a day; "
            "with it they can prove later that nothing was cut off."
        ),
        form="address",
    ),
    Definition(
        "raw_retention_days",
        "retention",
        "whole",
        "SWARM_RAW_RETENTION_DAYS",
        _("Measured values"),
        _("How long each value is kept. Late data may be seven days old, hence the minimum."),
        unit="d",
        minimum=8,
        maximum=366,
    ),
    Definition(
        "five_minute_retention_days",
        "retention",
        "whole",
        "SWARM_FIVE_MINUTE_RETENTION_DAYS",
        _("Five-minute history"),
        _("How long buckets of five minutes are kept; at least as long as measured values."),
        unit="d",
        minimum=8,
        maximum=3660,
    ),
    Definition(
        "hour_retention_days",
        "retention",
        "whole",
        "SWARM_HOUR_RETENTION_DAYS",
        _("Hourly history"),
        _("How long buckets of an hour are kept; at least as long as those of five minutes."),
        unit="d",
        minimum=8,
        maximum=7320,
    ),
    Definition(
        "day_retention_days",
        "retention",
        "whole",
        "SWARM_DAY_RETENTION_DAYS",
        _("Daily history"),
        _("How long buckets of a day are kept; at least as long as those of an hour."),
        unit="d",
        minimum=8,
        maximum=36600,
    ),
    Definition(
        "result_retention_days",
        "retention",
        "whole",
        "SWARM_RESULT_RETENTION_DAYS",
        _("Runs and results"),
        _("How long the runs of tests are kept, with what they found."),
        unit="d",
        minimum=8,
        maximum=3660,
    ),
    Definition(
        "report_retention_days",
        "retention",
        "whole",
        "SWARM_REPORT_RETENTION_DAYS",
        _("Reports"),
        _("How long made reports are kept, with their files."),
        unit="d",
        minimum=1,
        maximum=3660,
    ),
    Definition(
        "fact_retention_days",
        "retention",
        "whole",
        "SWARM_FACT_RETENTION_DAYS",
        _("Earlier facts"),
        _("How long a fact, such as an address, is kept after another took its place."),
        unit="d",
        minimum=8,
        maximum=3660,
    ),
    Definition(
        "finding_retention_days",
        "retention",
        "whole",
        "SWARM_FINDING_RETENTION_DAYS",
        _("Findings and diagnoses"),
        _("How long they are kept; twice as long where somebody said what they really were."),
        unit="d",
        minimum=8,
        maximum=3660,
    ),
    Definition(
        "export_kept_hours",
        "retention",
        "whole",
        "SWARM_EXPORT_KEPT_HOURS",
        _("Export files"),
        _("How long a file that was made in the background is kept for downloading."),
        unit="h",
        minimum=1,
        maximum=720,
    ),
    Definition(
        "export_quota_megabytes",
        "retention",
        "whole",
        "SWARM_EXPORT_QUOTA_MEGABYTES",
        _("Room of export files"),
        _("What all of them together may take on the disk."),
        unit="MB",
        minimum=10,
        maximum=10_000_000,
    ),
)

BY_NAME: Mapping[str, Definition] = {one.name: one for one in DEFINITIONS}

# Each of these must not be greater than the next: what is kept coarser is kept at least as long.
RISING: tuple[str, ...] = (
    "raw_retention_days",
    "five_minute_retention_days",
    "hour_retention_days",
    "day_retention_days",
)
