"""How soon a server greets whoever connects."""
