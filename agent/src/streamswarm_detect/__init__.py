"""Judging that agent and server share: pure Python and numpy, knowing neither of them."""
