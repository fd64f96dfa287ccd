"""What channels are told of alerts, and what they are still owed."""
