"""Monitors, their slots and how they stand."""
