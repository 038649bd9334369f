"""The laboratory: network paths that do to packets what they are told, and say what they did.

It shares no code with the probes: a mistake made in both would cancel out and prove nothing.
"""
