"""Workers, queues and limits."""
