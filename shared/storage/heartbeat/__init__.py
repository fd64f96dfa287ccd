"""Heartbeats and their pings."""
