"""Programs that hurt a whole Tocsin and count what became of its jobs.

They stand beside `bench/` and not below `tests/`, because people run them by hand for minutes and hours; the tests in
`tests/proofs/` run the same code in small.
"""
