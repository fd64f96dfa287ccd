"""What workers know of each other's doing, kept in Redis; without Redis each knows only its own."""
