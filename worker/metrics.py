"""What a worker process counts of itself (Prometheus)."""

from prometheus_client import Counter

RINGS = Counter("tocsin_rings", "Rings answered, by how their attempt was recorded.", ["queue", "outcome"])
UPKEEP = Counter("tocsin_upkeep_jobs", "Jobs that upkeep moved, by duty.", ["duty"])
UPKEEP_FAILURES = Counter("tocsin_upkeep_failures", "Runs of a duty that failed.", ["duty"])
