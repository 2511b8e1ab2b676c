"""Manifests checked without a cluster, for people who keep them in Git."""
