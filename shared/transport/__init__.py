"""How the outside world is dialled: names resolved, the egress policy kept, libcurl driven."""
