"""What the agent keeps on disk: its identity, its orders and everything not yet taken over."""
