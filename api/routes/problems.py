"""A page for each kind of problem: what it means and what to do."""

from fastapi import APIRouter
from starlette.responses import PlainTextResponse

from api.problem_kinds import KINDS
from api.problems import not_found

router = APIRouter(include_in_schema=False)


@router.get("/problems")
async def list_problems() -> PlainTextResponse:
    """List the kinds of problem."""
    return PlainTextResponse("".join(f"{kind.status} {kind.type}\n    {kind.title}.\n" for kind in KINDS.values()))


@router.get("/problems/{name}")
async def explain_problem(name: str) -> PlainTextResponse:
    """Explain a kind of problem."""
    kind = KINDS.get(name)
    if kind is None:
        raise not_found("There is no problem of this name; /problems lists them all.")
    return PlainTextResponse(f"{kind.title} ({kind.status})\n\n{kind.remedy}\n")
