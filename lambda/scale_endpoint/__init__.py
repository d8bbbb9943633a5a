"""Registers endpoints with Application Auto Scaling, and takes them off it where an update needs that."""
