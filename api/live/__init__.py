"""Live events: one reader of the stream per process, and everybody who watches hung on it."""
