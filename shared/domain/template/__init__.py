"""Templates of people, rendered so that none of them can do harm."""
