"""HTTP: the scheduler extender, metrics and health, all rendered from the decision."""
