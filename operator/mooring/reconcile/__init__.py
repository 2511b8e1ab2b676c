"""What is written back: node affinity in templates, conditions, policy status and events, all from the decision."""
