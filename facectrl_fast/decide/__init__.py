"""From verdicts to actions."""
