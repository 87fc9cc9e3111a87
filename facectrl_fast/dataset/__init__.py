"""Making and reading labelled pictures."""
