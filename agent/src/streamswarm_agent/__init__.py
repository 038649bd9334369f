"""The measuring agent of StreamSwarm."""

__version__ = "0.1.0"
