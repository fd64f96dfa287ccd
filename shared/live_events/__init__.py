"""The only home of the live stream: what happens is told to whoever watches, and read again by who was away."""

from shared.live_events.publisher import LiveEvents
from shared.live_events.wire import STREAM, Batch

__all__ = ["STREAM", "Batch", "LiveEvents"]
