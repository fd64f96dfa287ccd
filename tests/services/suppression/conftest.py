"""What is told, over clean servers."""

from notice_fixtures import engine, notices

__all__ = ["engine", "notices"]
