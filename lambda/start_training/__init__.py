"""Starts training runs when a schedule's time has come, new data lies there, or an alarm has gone off."""
