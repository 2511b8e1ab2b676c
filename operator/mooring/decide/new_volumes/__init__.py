"""Where volumes that do not exist yet should be made: what `newVolumes` of a policy asks of the pod's node."""
