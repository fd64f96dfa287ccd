"""Alert rules: which monitors they judge, by which condition, and how people write them."""
