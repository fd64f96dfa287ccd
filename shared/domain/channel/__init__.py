"""Channels, and what is told on them."""
