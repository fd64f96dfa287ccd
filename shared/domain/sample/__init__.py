"""Samples and their statistics."""
