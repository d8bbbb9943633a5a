"""Says how a training run ended: in a report, as metrics, and to people."""
