"""What is wrong, and why: judged by rules over measured facts, without Django or a guess."""
