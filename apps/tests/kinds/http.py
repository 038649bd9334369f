from apps.tests.kinds.base import Kind

HTTP = Kind(
    name="http",
    headline=("http.client.request.duration", "http.client.phase.ttfb", "http.availability.ratio"),
    chart=(
        "http.client.phase.dns",
        "http.client.phase.connect",
        "http.client.phase.tls",
        "http.client.phase.ttfb",
        "http.client.phase.transfer",
        "http.client.request.duration",
        "http.availability.ratio",
    ),
)
