"""Channels: where people are told, how they are tried, and when they are left alone."""
