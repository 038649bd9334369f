"""The running agent: loops that measure, keep and send."""
