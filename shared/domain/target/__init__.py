"""Targets, and what a look at one finds."""
