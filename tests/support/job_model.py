"""The life of jobs as plain values in memory, written down from the documentation and from no code of Tocsin's."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

TERMINAL = frozenset({"succeeded", "failed", "cancelled", "expired"})
MAX_LOST = 3


@dataclass
class ModelJob:
    """What is known of a job; `tries` holds the outcome of each attempt by its number and dispatch."""

    job_id: UUID
    state: str
    max_attempts: int
    limit_key: str | None = None
    unique_key: str | None = None
    attempt: int = 0
    lost: int = 0
    dispatch_no: int = 1
    blocked_by: str | None = None
    holder: "Hand | None" = None
    is_lease_over: bool = False
    is_due: bool = True
    is_late: bool = False
    has_deadline: bool = False
    is_cancel_requested: bool = False
    successor: UUID | None = None
    tries: dict[tuple[int, int], str] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Whether its life has ended."""
        return self.state in TERMINAL

    def end_try(self, outcome: str, state: str) -> None:
        """The holder's attempt came to its end; whoever asked for a cancel has it instead of another try."""
        self.tries[self.attempt, self.dispatch_no] = outcome
        if outcome in {"released", "snoozed"}:
            self.attempt -= 1
        self.holder = None
        self.is_lease_over = False
        if self.is_cancel_requested and state in {"queued", "retrying"}:
            state = "cancelled"
        self.state = state
        if state == "queued":
            self.dispatch_no += 1
        self.is_due = False


@dataclass(eq=False)
class Hand:
    """A worker's hold on a job, from its claim; the job may have slipped out of it without its knowing."""

    job_id: UUID
    worker: str
    attempt: int
    dispatch_no: int


class JobModel:
    """All jobs, and what each thing that can happen makes of them."""

    def __init__(self) -> None:
        self.jobs: dict[UUID, ModelJob] = {}
        self.hands: list[Hand] = []
        self.is_paused = False

    def in_state(self, *states: str) -> list[ModelJob]:
        """The jobs in one of the states, in the order they were made."""
        return [job for job in self.jobs.values() if job.state in states]

    def dated(self) -> list[ModelJob]:
        """The living jobs whose deadline is still to come."""
        return [job for job in self.jobs.values() if job.has_deadline and not job.is_late and not job.is_done]

    def holder_of_unique(self, key: str | None) -> ModelJob | None:
        """The living job that has the unique key."""
        live = [job for job in self.jobs.values() if key and job.unique_key == key and not job.is_done]
        return live[0] if live else None

    def is_claimable(self, job: ModelJob, dispatch_no: int) -> bool:
        """Whether a ring of this dispatch finds the job waiting for it."""
        return job.state == "queued" and job.dispatch_no == dispatch_no and not job.blocked_by and not job.is_late

    def claim(self, job: ModelJob, worker: str) -> Hand:
        """A worker took the job."""
        job.state, job.attempt, job.is_lease_over = "running", job.attempt + 1, False
        hand = Hand(job.job_id, worker, job.attempt, job.dispatch_no)
        job.holder = hand
        self.hands.append(hand)
        return hand

    def finish(self, hand: Hand, how: str) -> None:
        """The work of an attempt ended: `succeeded`, `failed`, `discarded`, `snoozed` or `released`."""
        self.hands.remove(hand)
        job = self.jobs[hand.job_id]
        if job.holder is not hand:
            job.tries[hand.attempt, hand.dispatch_no] = "fenced"
            return
        is_last = how == "discarded" or job.attempt >= job.max_attempts
        match how:
            case "succeeded":
                job.end_try("succeeded", "succeeded")
            case "failed" | "discarded":
                job.end_try("failed", "failed" if is_last else "retrying")
            case "snoozed":
                job.end_try("snoozed", "retrying")
            case "released":
                job.end_try("released", "queued")
            case "cancelled":
                job.end_try("cancelled", "cancelled")

    def beat(self, worker: str) -> Iterator[Hand]:
        """A heartbeat extends what the worker holds; the hands it makes let go are yielded, and finished."""
        for hand in [hand for hand in self.hands if hand.worker == worker]:
            job = self.jobs[hand.job_id]
            if job.holder is hand and not job.is_cancel_requested:
                job.is_lease_over = False
                continue
            self.finish(hand, "cancelled")
            yield hand

    def rescue(self) -> None:
        """Jobs whose lease ran out are taken back."""
        for job in [job for job in self.in_state("running") if job.is_lease_over]:
            job.lost += 1
            if job.is_cancel_requested:
                job.end_try("lost", "cancelled")
            elif job.lost >= MAX_LOST or job.attempt >= job.max_attempts:
                job.end_try("lost", "failed")
            else:
                job.end_try("lost", "queued")

    def promote(self) -> None:
        """What is due and not too late is queued."""
        for job in self.in_state("scheduled", "retrying"):
            if job.is_due and not job.is_late:
                job.state, job.dispatch_no = "queued", job.dispatch_no + 1

    def expire(self) -> None:
        """What still waits past its deadline ends."""
        for job in self.in_state("scheduled", "queued", "retrying"):
            if job.is_late:
                job.state, job.blocked_by = "expired", None

    def unpause(self) -> None:
        """What the pause held back is let go, once it is over."""
        for job in self.in_state("queued"):
            if job.blocked_by == "paused" and not self.is_paused:
                job.blocked_by, job.dispatch_no = None, job.dispatch_no + 1

    def cancel(self, job: ModelJob) -> str:
        """People want a job stopped; what they are told."""
        if job.is_done:
            return "already_done"
        job.is_cancel_requested = True
        if job.state == "running":
            return "requested"
        job.state, job.blocked_by = "cancelled", None
        return "cancelled"
