"""Duties that keep the queue whole, safe to run anywhere and twice."""
