"""Alert rules, alerts, and who is told of them."""
