"""Endpoints that end: when one does, who is told before, and how it is stopped and started with the same name."""
