"""Alerts: their life, where they come from, and why they fired."""
