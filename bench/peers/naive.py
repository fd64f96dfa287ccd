"""What one writes first: FastAPI, an ORM session a request, and ARQ's `enqueue_job`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import DateTime
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_async_engine(
    os.environ["BENCH_PEER_URL"].replace("postgresql:", "postgresql+asyncpg:"), pool_size=10, max_overflow=0
)
new_session = async_sessionmaker(engine, expire_on_commit=False)
redis_settings = RedisSettings(unix_socket_path=os.environ["BENCH_REDIS_SOCKET"])


class Base(DeclarativeBase):
    """The peer's tables."""


class JobRow(Base):
    """A job with as much in it as a poll of Tocsin's shows."""

    __tablename__ = "naive_jobs"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(default="queued")
    spec: Mapped[dict[str, Any]] = mapped_column(JSONB)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class HttpTarget(BaseModel):
    """An HTTP target."""

    kind: Literal["http"]
    url: str
    timeout: str = "10s"
    labels: dict[str, str] = {}
    conditions: list[str] = []


class FileTarget(BaseModel):
    """A file target."""

    kind: Literal["file"]
    path: str
    labels: dict[str, str] = {}
    conditions: list[str] = []


class CollectBody(BaseModel):
    """A collect job as submitted."""

    kind: Literal["collect"]
    targets: list[Annotated[HttpTarget | FileTarget, Field(discriminator="kind")]]


class NotifyBody(BaseModel):
    """A notify job as submitted."""

    kind: Literal["notify"]
    channel: dict[str, Any]
    message: dict[str, Any]


Body = Annotated[CollectBody | NotifyBody, Field(discriminator="kind")]


class JobView(BaseModel):
    """A job as shown."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: str
    state: str
    result: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class BatchBody(BaseModel):
    """Many jobs."""

    jobs: list[Body]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Make the table, connect to Redis."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    app.state.redis = await create_pool(redis_settings)
    yield
    await app.state.redis.aclose()
    await engine.dispose()


async def session() -> AsyncIterator[AsyncSession]:
    """A session for each request."""
    async with new_session() as opened:
        yield opened


app = FastAPI(lifespan=lifespan)
Session = Annotated[AsyncSession, Depends(session)]


@app.post("/jobs", status_code=202)
async def create_job(body: Body, request: Request, db: Session) -> JobView:
    """Insert, commit, enqueue."""
    job = JobRow(kind=body.kind, spec=body.model_dump(mode="json"))
    db.add(job)
    await db.commit()
    redis: ArqRedis = request.app.state.redis
    await redis.enqueue_job("run_row", str(job.id))
    return JobView.model_validate(job)


@app.post("/jobs-batch", status_code=202)
async def create_jobs(body: BatchBody, request: Request, db: Session) -> list[UUID]:
    """Insert all, commit, enqueue one after the other."""
    jobs = [JobRow(kind=item.kind, spec=item.model_dump(mode="json")) for item in body.jobs]
    db.add_all(jobs)
    await db.commit()
    for job in jobs:
        await request.app.state.redis.enqueue_job("run_row", str(job.id))
    return [job.id for job in jobs]


@app.get("/jobs/{job_id}")
async def show_job(job_id: UUID, db: Session) -> JobView:
    """Read by the ORM, show by a model."""
    job = await db.get(JobRow, job_id)
    if job is None:
        raise HTTPException(404)
    return JobView.model_validate(job)
