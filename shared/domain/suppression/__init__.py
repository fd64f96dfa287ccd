"""What holds firings back: silences, maintenance, inhibition and dependency, quiet hours."""
