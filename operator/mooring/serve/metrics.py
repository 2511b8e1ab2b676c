"""What is measured about Mooring itself and about the pods it looks after, for Prometheus."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mooring.cluster.index import Cluster
from mooring.cluster.resources import RESOURCES

_BUCKETS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)


class Metrics:
    """All metrics of a process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
        self._latency: Final = Histogram(
            "mooring_extender_duration_seconds",
            "Time to answer an extender call, without reading the request from the network.",
            ["verb"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._decisions: Final = Counter(
            "mooring_decisions", "Extender calls by verb and outcome.", ["verb", "outcome"], registry=self.registry
        )
        self._review_latency: Final = Histogram(
            "mooring_admission_duration_seconds",
            "Time to answer an admission review, without reading the request from the network.",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._reviews: Final = Counter(
            "mooring_admission_reviews", "Admission reviews by outcome.", ["outcome"], registry=self.registry
        )
        self._gates: Final = Histogram(
            "mooring_gate_duration_seconds",
            "Time that pods were held behind the scheduling gate, by how they were let through.",
            ["outcome"],
            buckets=(*_BUCKETS, 5.0, 30.0, 300.0),
            registry=self.registry,
        )
        self.watch_restarts: Final = Counter(
            "mooring_watch_restarts",
            "Watches begun anew, by kind and reason.",
            ["kind", "reason"],
            registry=self.registry,
        )

        # Looking up a label's metric takes a lock each time; these two are looked up with every call.
        self._latency_of: Final = cache(self._latency.labels)
        self._decisions_of: Final = cache(self._decisions.labels)

    def observe(self, verb: str, outcome: str, seconds: float) -> None:
        """Count one extender call."""
        self._latency_of(verb).observe(seconds)
        self._decisions_of(verb, outcome).inc()

    def observe_review(self, outcome: str, seconds: float) -> None:
        """Count one admission review."""
        self._review_latency.observe(seconds)
        self._reviews.labels(outcome).inc()

    def observe_gate(self, outcome: str, seconds: float) -> None:
        """Count one pod that was let through."""
        self._gates.labels(outcome).observe(seconds)

    def watch(self, cluster: Cluster, *, localities: Callable[[], Mapping[str, int]]) -> None:
        """Report an index's size, and pods by locality, each time metrics are read."""
        self.registry.register(_ClusterCollector(cluster, localities))

    def watch_sync_age(self, ages: Callable[[], Iterable[tuple[str, float]]]) -> None:
        """Report how long ago each kind was last heard of, in seconds, each time metrics are read.

        A kind that is followed more than once is as old as the oldest.
        """
        self.registry.register(_SyncAgeCollector(ages))

    def watch_locators(self, replicas: Callable[[], Iterable[tuple[str, Mapping[str, int]]]]) -> None:
        """Report the replicas that VolumeLocators have brought, by locator and state, each time metrics are read."""
        self.registry.register(_LocatorCollector(replicas))

    def render(self) -> bytes:
        """All metrics in Prometheus' text form."""
        return generate_latest(self.registry)


class _ClusterCollector(Collector):
    def __init__(self, cluster: Cluster, localities: Callable[[], Mapping[str, int]]) -> None:
        self._cluster: Final = cluster
        self._localities: Final = localities

    def collect(self) -> Iterable[Metric]:
        objects = GaugeMetricFamily("mooring_index_objects", "Objects in the index, by kind.", labels=["kind"])
        for kind in RESOURCES:
            objects.add_metric([kind], len(self._cluster.all(kind)))
        yield objects
        pods = GaugeMetricFamily("mooring_pods", "Pods under a rule, by where they run.", labels=["locality"])
        for locality, count in self._localities().items():
            pods.add_metric([locality], count)
        yield pods


class _SyncAgeCollector(Collector):
    def __init__(self, ages: Callable[[], Iterable[tuple[str, float]]]) -> None:
        self._ages: Final = ages

    def collect(self) -> Iterable[Metric]:
        text = "Time since the API server, or a storage system, was last heard of a kind."
        metric = GaugeMetricFamily("mooring_sync_age_seconds", text, labels=["kind"])
        oldest: dict[str, float] = {}
        for kind, age in self._ages():
            oldest[kind] = max(age, oldest.get(kind, 0.0))
        for kind, age in oldest.items():
            metric.add_metric([kind], age)
        yield metric


class _LocatorCollector(Collector):
    def __init__(self, replicas: Callable[[], Iterable[tuple[str, Mapping[str, int]]]]) -> None:
        self._replicas: Final = replicas

    def collect(self) -> Iterable[Metric]:
        text = "Replicas of volumes in the index, by VolumeLocator and by whether they can be used."
        metric = GaugeMetricFamily("mooring_locator_replicas", text, labels=["locator", "state"])
        for locator, counts in self._replicas():
            for state, count in counts.items():
                metric.add_metric([locator, state], count)
        yield metric
