"""An alert's life as plain numbers: what has to come of verdicts, written anew and on purpose in another way."""

from dataclasses import dataclass, field
from uuid import UUID

FLAPPING_WITHIN = 15
"""Minutes. A rule's other durations may change in a walk; what lies further back than this is not remembered."""


@dataclass(frozen=True)
class ModelTiming:
    """A rule's durations in minutes; flapping is `fires` in `FLAPPING_WITHIN`, 0 for never, then quiet for `hold`."""

    wait: int = 0
    keep: int = 0
    fires: int = 3
    hold: int = 5
    no_data: str = "keep"


@dataclass
class ModelMemory:
    """What is remembered of a rule on a monitor; moments are minutes."""

    stage: str = "none"
    since: int = 0
    last_met: int = 0
    latest: int | None = None
    is_held: bool = False
    fired: list[int] = field(default_factory=list)

    def judge(self, at: int, verdict: str, timing: ModelTiming) -> str:
        """The transition that follows."""
        if self.latest is not None and at < self.latest:
            return "none"
        self.latest = at
        if verdict == "unknown":
            if timing.no_data == "keep":
                return "none"
            verdict = "met" if timing.no_data == "firing" else "not_met"
        return self._on_met(at, timing) if verdict == "met" else self._on_not_met(at, timing)

    def _on_met(self, at: int, timing: ModelTiming) -> str:
        self.last_met = at
        if self.stage == "firing":
            return "none"
        has_begun = self.stage == "none"
        if has_begun:
            self.since = at
        if at < self.since + timing.wait:
            self.stage = "pending"
            return "pend" if has_begun else "none"
        self.stage = "firing"
        self.fired.append(at)
        recent = [each for each in self.fired if at - each < FLAPPING_WITHIN]
        self.is_held = timing.fires > 0 and len(recent) >= timing.fires
        return "fire"

    def _on_not_met(self, at: int, timing: ModelTiming) -> str:
        if self.stage == "firing":
            quiet = max(timing.keep, timing.hold if self.is_held and timing.fires else 0)
            return self._over("resolve") if at >= self.last_met + quiet else "none"
        return self._over("clear") if self.stage == "pending" else "none"

    def end(self, at: int) -> str:
        """Its rule or monitor is gone."""
        self.latest = at
        if self.stage == "none":
            return "none"
        return self._over("resolve" if self.stage == "firing" else "clear")

    def _over(self, transition: str) -> str:
        self.stage, self.is_held = "none", False
        return transition


@dataclass
class ModelAlert:
    """An alert as its row has to be."""

    alert_id: UUID
    state: str
    history: list[tuple[str, int]] = field(default_factory=list)
    is_acknowledged: bool = False

    @property
    def is_open(self) -> bool:
        return self.state != "resolved"

    def moment(self, kind: str) -> int | None:
        """When it came to that, in minutes."""
        return next((at for each, at in self.history if each == kind), None)


@dataclass
class ModelAlerts:
    """All alerts of one fingerprint, the oldest first."""

    alerts: list[ModelAlert] = field(default_factory=list)

    @property
    def open(self) -> ModelAlert | None:
        return next((alert for alert in self.alerts if alert.is_open), None)

    def write(self, alert_id: UUID, transition: str, at: int) -> bool:
        """Write a change that is said of an alert of this id; whether it did anything."""
        known = next((alert for alert in self.alerts if alert.alert_id == alert_id), None)
        alert = known or (self.open if transition in {"pend", "fire"} else None)
        if alert is None:
            if transition not in {"pend", "fire"}:
                return False
            alert = ModelAlert(alert_id, "new")
            self.alerts.append(alert)
        if transition in {"resolve", "clear"}:
            transition = "resolve" if alert.state == "firing" else "clear"
        allowed = {"new": {"pend", "fire"}, "pending": {"fire", "clear"}, "firing": {"resolve"}, "resolved": set()}
        if transition not in allowed[alert.state]:
            return False
        alert.state = {"pend": "pending", "fire": "firing"}.get(transition, "resolved")
        alert.history.append((transition, at))
        return True
