from apps.tests.kinds.base import Kind

DNS = Kind(
    name="dns",
    headline=("dns.lookup.duration", "net.availability.ratio"),
    chart=("dns.lookup.duration", "dns.timeout.ratio"),
)
