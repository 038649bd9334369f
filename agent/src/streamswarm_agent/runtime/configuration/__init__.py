"""What this agent is told: the table of settings, who says what, and whose word counts."""
