"""Talking to the server: calls, their refusals, and the socket that wakes the agent."""
