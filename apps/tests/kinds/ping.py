from apps.tests.kinds.base import Kind

PING = Kind(
    name="ping",
    headline=("net.rtt.median", "net.packet.loss.ratio", "net.jitter.rfc3550"),
    chart=("net.rtt.min", "net.rtt.median", "net.rtt.max", "net.packet.loss.ratio"),
)
