"""The pure core: which rule holds for a pod, and what it means for every node. Everything else renders its answer."""
