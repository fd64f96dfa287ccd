"""How rules judge monitors: windows, figures, verdicts, and what follows from them."""
