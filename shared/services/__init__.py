"""The flows: each a list of named steps."""
