"""Media players on the session bus."""
