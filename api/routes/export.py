"""Samples as a file: streamed as fast as the client takes it, in constant memory."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from typing import Annotated

import structlog
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from api.export_lines import csv_head, csv_lines, ndjson_lines
from api.openapi import problems
from api.paging import accepts_gzip
from api.problems import overloaded
from api.routes.stats import window_of
from api.schemas.queries import ExportQuery, labels_of
from api.services import services_of
from shared.domain.sample.statistics import StatsTimeoutError
from shared.services.sample.export import Export, ExportQuestion
from shared.storage.errors import StorageUnavailableError

router = APIRouter(tags=["statistics"])

SEND_SECONDS = 60.0
"""How long a client may take nothing before it is cut off."""

RETRY_SECONDS = 10
_GZIP = 31
_TYPES = {"csv": "text/csv; charset=utf-8; header=present", "ndjson": "application/x-ndjson"}
_log = structlog.get_logger()


@router.get(
    "/api/v1/export/samples",
    response_class=StreamingResponse,
    summary="Export samples",
    responses={
        200: {
            "description": "The samples, day after day, and within a day series after series.",
            "content": {
                "application/x-ndjson": {"schema": {"type": "string"}},
                "text/csv": {"schema": {"type": "string"}},
            },
        },
        **problems(422, 503),
    },
)
async def export_samples(query: Annotated[ExportQuery, Query()], request: Request) -> Response:
    """Stream samples of any window as NDJSON or CSV; a stream that breaks off is not whole."""
    services = services_of(request)
    start, end = window_of(query, services.context.clock())
    question = ExportQuestion(start, end, tuple(query.monitor), query.group, labels_of(query.label))
    if services.export_slots.locked():
        raise overloaded(retry_after_seconds=RETRY_SECONDS)
    await services.export_slots.acquire()
    lines = _lines(services.export, question, is_csv=query.format == "csv")
    headers = {
        "content-disposition": f'attachment; filename="samples.{query.format}"',
        "cache-control": "private, no-store",
        "vary": "Accept-Encoding",
    }
    if accepts_gzip(request):
        lines = _compressed(lines)
        headers["content-encoding"] = "gzip"
    return _Exported(lines, services.export_slots, headers | {"content-type": _TYPES[query.format]})


class _Exported(StreamingResponse):
    """A stream that gives its slot back at its end, and cuts off a client that takes nothing."""

    def __init__(self, lines: AsyncIterator[bytes], slots: asyncio.Semaphore, headers: dict[str, str]) -> None:
        super().__init__(lines, headers=headers)
        self._slots = slots

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(SEND_SECONDS):
                await send(message)

        try:
            await super().__call__(scope, receive, send_in_time)
        except (TimeoutError, StatsTimeoutError, StorageUnavailableError) as error:
            # The head is sent; a body without its end is all that can still be said.
            _log.warning("export_cut_off", reason=repr(error))
        finally:
            self._slots.release()


async def _lines(export: Export, question: ExportQuestion, *, is_csv: bool) -> AsyncIterator[bytes]:
    write = csv_lines if is_csv else ndjson_lines
    if is_csv:
        yield csv_head()
    async for batch in export.batches(question):
        yield await asyncio.to_thread(write, batch)


async def _compressed(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    compressor = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
    async for part in lines:
        if data := await asyncio.to_thread(compressor.compress, part):
            yield data
    yield compressor.flush()
