from apps.tests.kinds.base import Kind
from apps.tests.kinds.throughput import measure_load

IPERF3 = Kind(
    name="iperf3",
    headline=(
        "net.throughput.tcp.receive",
        "net.throughput.tcp.reverse",
        "net.throughput.udp.receive{direction=forward}",
        "net.throughput.udp.receive{direction=reverse}",
    ),
    chart=(
        "net.throughput.tcp.receive",
        "net.throughput.tcp.reverse",
        "net.throughput.udp.receive{direction=forward}",
        "net.throughput.udp.receive{direction=reverse}",
    ),
    measure_load=measure_load,
)
