"""Kubernetes' own kinds that come with a CRD of their own, if at all: followed whenever the cluster serves them."""

from collections.abc import Callable

from mooring.api.locator import FollowedResource
from mooring.cluster.connection import ApiServer
from mooring.cluster.index import Cluster
from mooring.cluster.resources import RESOURCES, Resource
from mooring.follow.watched import WatchedResource


def optional_sources(
    api: ApiServer, cluster: Cluster, *, on_restart: Callable[[str, str], None]
) -> list[WatchedResource]:
    """Give a source for each optional kind of the index, which nobody waits for."""
    return [
        WatchedResource(api, _wanted(resource), cluster, template=resource, on_restart=on_restart)
        for resource in RESOURCES.values()
        if resource.optional
    ]


def _wanted(resource: Resource) -> FollowedResource:
    version = resource.api_version.rpartition("/")[2]
    return FollowedResource(group=resource.group, version=version, resource=resource.path.rpartition("/")[2])
