"""How a person comes in: the `tocsin` command."""
