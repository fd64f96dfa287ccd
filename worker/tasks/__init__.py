"""ARQ functions, one a file."""
