"""The tables, one file a noun; classes end in Row and never leave storage."""
