"""Labels that name a place."""

from mooring.api import labels


def test_stable_labels_come_before_beta_ones() -> None:
    """Where a node has both, the label of today decides."""
    assert labels.ZONE_KEYS == ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
    assert labels.REGION_KEYS == ("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region")


def test_racks_are_found_as_other_tools_name_them() -> None:
    """Users of Portworx and LINSTOR need not label their nodes again."""
    assert labels.RACK_KEYS == (
        "topology.kubernetes.io/rack",
        "topology.mooring.dev/rack",
        "px/rack",
        "linstor/rack",
        "topology.portworx.io/rack",
    )
