"""A status poll by Flask under gunicorn's sync worker, answering the row that Tocsin answers."""

import hashlib
import os
from typing import Any

import psycopg
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from psycopg.rows import dict_row

app = Flask(__name__)
_COLUMNS = """job_id, kind, state, labels, run_at, attempt, max_attempts, started_at, finished_at, cancel_requested_at,
              result, error, version, created_at"""
_connections: list[psycopg.Connection[dict[str, Any]]] = []


def connection() -> psycopg.Connection[dict[str, Any]]:
    """The worker's one connection, kept, without a transaction round each query."""
    if not _connections:
        url = os.environ["BENCH_TOCSIN_URL"]
        _connections.append(psycopg.connect(url, autocommit=True, row_factory=dict_row, connect_timeout=10))
    return _connections[0]


@app.get("/jobs/<job_id>")
def show_job(job_id: str) -> ResponseReturnValue:
    """Read the row, write it as JSON, let Flask compare the entity tag."""
    row = connection().execute(f"select {_COLUMNS} from jobs where job_id = %s", [job_id]).fetchone()
    if row is None:
        return jsonify(error="not found"), 404
    tag = hashlib.md5(f"{job_id}-{row['version']}".encode(), usedforsecurity=False).hexdigest()
    answer = jsonify(_view(row))
    answer.set_etag(tag)
    return answer.make_conditional(request)


def _view(row: dict[str, Any]) -> dict[str, Any]:
    job_id = str(row.pop("job_id"))
    moments = {name: value and value.isoformat() for name, value in row.items() if name.endswith("_at")}
    links = {name: f"/api/v1/jobs/{job_id}/{name}" for name in ("spec", "samples", "attempts", "cancel")}
    return {"id": job_id, **row, **moments, "done": row["finished_at"] is not None, "links": links}
