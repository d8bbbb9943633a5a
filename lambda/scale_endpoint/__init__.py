"""Registers endpoints with Application Auto Scaling, around updates that SageMaker refuses while they are registered."""
