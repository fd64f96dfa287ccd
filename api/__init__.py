"""How requests come in: the FastAPI application under /api/v1."""
