"""One module a kind of target, one shape, one registry."""
