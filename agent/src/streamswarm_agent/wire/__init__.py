"""The contract with the server (docs/wire.md): pure values and rules, no input or output."""
