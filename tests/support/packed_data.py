"""Two monitors' samples of five days, of which three are packed and two are rows."""

import random
from datetime import timedelta
from uuid import UUID

from monitor_data import MonitorData, monitor_id_of, plant_monitors
from rollup_model import set_watermark
from sample_data import NOON, make_series, sample

from shared.domain.monitor.standing import MonitorState, StateChange
from shared.domain.sample.samples import Sample
from shared.domain.sample.segments import DAY
from shared.domain.target.outcome import Outcome
from shared.services.sample.compaction import Compaction
from shared.services.sample.rollups import Rollups
from shared.storage.database import Database
from shared.storage.sample.note_store import NoteStore
from shared.storage.sample.sample_store import SampleStore

MINUTE = timedelta(minutes=1)
START = NOON
NOW = NOON + 4 * DAY + 40 * MINUTE
STEP = 20 * MINUTE
MONITOR = monitor_id_of(1)
OTHER = monitor_id_of(2)
WHOLE = {"start": START.isoformat(), "end": NOW.isoformat()}


async def plant_samples(database: Database) -> dict[UUID, list[Sample]]:
    """Their samples every 20 minutes, oldest first; a target of a job, without a monitor, has some too."""
    await set_watermark(database, START)
    up = [StateChange(START, MonitorState.UP)]
    await plant_monitors(
        database,
        [
            MonitorData(MONITOR, up, name="shop", group="web", labels={"team": "web"}),
            MonitorData(OTHER, up, name="=cmd", group="web", labels={"team": "data"}),
        ],
    )
    async with database.transaction() as work:
        rows = await work.fetch("select monitor_id, series_id from monitors")
        planted = {row.monitor_id: _slots(row.series_id, seed=row.series_id) for row in rows}
    stranger = (await make_series(database, "https://stranger.example"))[0]
    async with database.transaction() as work:
        samples = [each for slots in planted.values() for each in slots]
        placed = await SampleStore(work).record_slots([*samples, *_slots(stranger, seed=0)])
        await NoteStore(work).add(placed)
    return planted


def _slots(series_id: int, *, seed: int) -> list[Sample]:
    draw = random.Random(seed)
    found = []
    for number in range(int((NOW - START) / STEP)):
        outcome = draw.choices(list(Outcome), [80, 10, 8, 2])[0]
        said = {} if outcome is Outcome.UP else {"code": "timeout", "message": f"no answer, {number}"}
        slot = START + number * STEP
        metrics = {"status": 200.0, "lag_ms": round(draw.random() * 9, 3)} if outcome is Outcome.UP else {}
        plain = sample(series_id, slot, round(draw.lognormvariate(3, 1), 3), outcome=outcome, metrics=metrics, **said)
        found.append(Sample(plain.job_id, 0, series_id, "http", plain.reading, slot=slot))
    return found


async def pack_all(database: Database) -> None:
    """Sum up all that is over, and pack what is not hot at `NOW`."""
    while (await Rollups(database).advance(NOW)).moved:
        pass
    while (await Compaction(database, hot_days=2, samples_at_once=200).advance(NOW)).moved:
        pass
