"""Metrics: what every service counts, in Prometheus' terms."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The metrics of one service process; labels are routes, codes and names of parts, never ids."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "huchuang_http_requests_total", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "huchuang_http_request_seconds", "Time to answer", ["method", "route"], registry=self.registry
        )
        self.log_position = Gauge("huchuang_log_position", "Length of the service's log", registry=self.registry)
        self.relayed = Gauge("huchuang_relay_position", "Published up to this position", registry=self.registry)
        self.lag = Gauge("huchuang_follower_lag", "Events not yet applied", ["follower"], registry=self.registry)
        self.parked = Gauge("huchuang_parked_messages", "Messages put aside", registry=self.registry)

        self.waiting = Gauge(
            "huchuang_intake_waiting", "Events that wait for an earlier one", ["source"], registry=self.registry
        )
        self.waiting_seconds = Gauge(
            "huchuang_intake_waiting_seconds", "Since when, without one applied", ["source"], registry=self.registry
        )
        self.refused = Gauge(
            "huchuang_intake_refused", "1 where another log stands in the topic", ["source"], registry=self.registry
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request; the children of the labels are looked up once per route and status."""
        found = self._children.get((method, route, status))
        if found is None:
            count, times = self.requests.labels(method, route, status), self.seconds.labels(method, route)
            found = self._children[method, route, status] = (count, times)
        found[0].inc()
        found[1].observe(seconds)

    def render(self) -> bytes:
        return generate_latest(self.registry)
