"""Deploys what was approved: brings endpoints that follow a job type to its approved model."""
