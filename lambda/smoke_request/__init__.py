"""Asks an endpoint the environment's own example after every update: one that cannot answer it is rolled back."""
