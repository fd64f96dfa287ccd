"""The life of jobs."""
