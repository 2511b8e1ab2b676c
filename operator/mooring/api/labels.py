"""Node labels that name a place, from near to far."""

from typing import Final

HOSTNAME: Final = "kubernetes.io/hostname"

RACK_KEYS: Final = (
    "topology.kubernetes.io/rack",
    "topology.mooring.dev/rack",
    "px/rack",
    "linstor/rack",
    "topology.portworx.io/rack",
)
"""Kubernetes has no label for racks; the first of these that a node has names its rack. The list can be configured."""

ZONE_KEYS: Final = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
"""The label of zones, and the beta one that old nodes and volumes still carry; the first that is there counts."""

REGION_KEYS: Final = ("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region")
"""The label of regions, and the beta one that old nodes and volumes still carry; the first that is there counts."""
