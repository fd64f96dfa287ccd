"""What is watched and who is told, in one process with one clock: `python -m bench.peers.alarm PORT`.

`/look/SIDE/N` is a target that answers 200 until it is broken, `/metrics/COUNT` an exporter of as many series that are
1 while nothing is broken, `/hook/SIDE` takes webhooks of Alertmanager's form. A side is who watches. `PUT
/broken/SIDE` says from when on which targets are broken, `/told/SIDE` when each was first seen so and first told of.
"""

import math
import sys
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field

from aiohttp import web

TEAMS = 100


@dataclass
class Side:
    """One who watches: times of `time.time()` by the targets' numbers."""

    broken_from: dict[str, float] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)
    told: dict[str, float] = field(default_factory=dict)
    notices: int = 0
    last_notice_at: float = 0.0


class Alarm:
    """All sides."""

    def __init__(self) -> None:
        self._sides: defaultdict[str, Side] = defaultdict(Side)

    def routes(self) -> list[web.RouteDef]:
        """Where all of it is."""
        return [
            web.get("/look/{side}/{number}", self.look),
            web.get("/metrics/{count}", self.metrics),
            web.post("/hook/{side}", self.hook),
            web.put("/broken/{side}", self.break_them),
            web.get("/told/{side}", self.tell),
        ]

    async def look(self, request: web.Request) -> web.Response:
        """Answer as a target, in the format of exporters."""
        side, number = self._sides[request.match_info["side"]], request.match_info["number"]
        now = time.time()
        if now < side.broken_from.get(number, math.inf):
            return web.Response(text="working 1\n")
        side.seen.setdefault(number, now)
        return web.Response(status=503)

    async def metrics(self, request: web.Request) -> web.Response:
        """Answer as an exporter; all of its series fall to 0 at the moment for number 0."""
        side = self._sides["Prometheus"]
        is_broken = time.time() >= side.broken_from.get("0", math.inf)
        value = "0" if is_broken else "1"
        count = int(request.match_info["count"])
        lines = [f'working{{number="{each}",team="team-{each % TEAMS}"}} {value}\n' for each in range(count)]
        return web.Response(text="".join(lines))

    async def hook(self, request: web.Request) -> web.Response:
        """Take a notice."""
        now, side = time.time(), self._sides[request.match_info["side"]]
        side.notices, side.last_notice_at = side.notices + 1, now
        for alert in (await request.json())["alerts"]:
            if alert["status"] == "firing":
                side.told.setdefault(alert["labels"]["number"], now)
        return web.Response()

    async def break_them(self, request: web.Request) -> web.Response:
        """Forget what a side was told, and break its targets at their moments."""
        self._sides[request.match_info["side"]] = Side(await request.json())
        return web.Response()

    async def tell(self, request: web.Request) -> web.Response:
        """Tell what a side has seen and was told."""
        return web.json_response(asdict(self._sides[request.match_info["side"]]))


def main(port: int) -> None:
    application = web.Application(client_max_size=1 << 26)
    application.add_routes(Alarm().routes())
    web.run_app(application, host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
