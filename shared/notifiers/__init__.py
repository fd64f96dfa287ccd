"""One module a kind of channel, one shape, one registry."""
