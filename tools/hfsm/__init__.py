"""hfsm: the operator's command for an environment of this stack, on AWS or on the embedded AWS."""
