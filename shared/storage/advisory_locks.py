"""The numbers of PostgreSQL's advisory locks that samples, roll-ups, partitions and jobs are kept in order with.

They are numbers of our own; the runner of migrations has another one (`migrations/env.py`).
"""

SAMPLE_WRITERS = 7_463_010
"""Shared by every transaction that writes samples; taken alone to move the watermark once they are through."""

ROLLUPS = 7_463_011
"""Held by who computes roll-ups: were there two, the slower could overwrite what the faster knew better."""

PARTITIONS = 7_463_012
"""Held by who makes or drops partitions."""

SAMPLE_COLLISIONS = 7_463_013
"""Held by a writer that looks for free milliseconds, until it commits: the next one then sees which are left."""

JOB_RETENTION = 7_463_014
"""Held by who deletes jobs that ended long ago."""

COMPACTION = 7_463_015
"""Held by who packs samples into chunks, and by who says from when on they are kept."""

ALERT_RETENTION = 7_463_030
"""Held by who deletes alerts that ended long ago."""

SILENCE = 7_463_020
"""Held by who judges the heartbeats that nothing was heard of."""

SUPPRESSIONS = 7_463_031
"""Held by who makes a silence, an inhibition or a window of maintenance, so that together they keep to the bounds."""

RULE_SWEEP = 7_463_032
"""Held by who brings a changed rule to the monitors it selects, page by page."""
