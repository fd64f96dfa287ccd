"""How background work comes in: ARQ workers and upkeep."""
