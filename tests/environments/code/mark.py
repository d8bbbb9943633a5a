"""What marks the answers."""

MARK = "code of the team"
