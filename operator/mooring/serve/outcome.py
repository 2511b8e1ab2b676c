"""What a decision came to, in one word for metrics, logs and the audit log."""

from mooring.decide.decision import Decision


def outcome_of(decision: Decision | None) -> str:
    """Say what a decision came to; None is one that could not be made."""
    if decision is None:
        return "undecided"
    rule = decision.rule
    if rule is None:
        return "no-opinion"
    if not rule.acts:
        return "audit"
    if decision.obstacle is not None:
        return "obstructed"
    if not decision.counting:
        return "unknown"
    return "strict" if rule.strict else "soft"
