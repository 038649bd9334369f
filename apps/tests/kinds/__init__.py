"""The kinds of test. A new one is a file here, its parameters on the wire, and a line below."""

from types import MappingProxyType

from apps.tests.kinds.base import Kind
from apps.tests.kinds.dns import DNS
from apps.tests.kinds.http import HTTP
from apps.tests.kinds.ping import PING
from apps.tests.kinds.tcp import TCP

KINDS = MappingProxyType({"ping": PING, "tcp": TCP, "http": HTTP, "dns": DNS})

__all__ = ["KINDS", "Kind"]
