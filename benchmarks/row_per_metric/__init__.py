"""The plain design many monitors start with: a DRF serializer and an ORM row for each value.

It is what `benchmarks.ingest` compares with: the same machine, database, authentication by a
hashed key and unique rows, but no frames, layouts, duplicate answers or bounded parsing.
"""
