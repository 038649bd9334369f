"""Changing server settings."""
