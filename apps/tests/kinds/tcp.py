from apps.tests.kinds.base import Kind

TCP = Kind(
    name="tcp",
    headline=("net.rtt.tcp_connect", "net.availability.ratio"),
    chart=("net.rtt.tcp_connect", "net.availability.ratio"),
)
