"""The demo: the whole stack on one machine, from deployment to prediction, with every number measured."""
