"""How a change of what people keep by name is answered: a monitor, a rule, a channel."""

from dataclasses import dataclass
from typing import assert_never

from pydantic import ValidationError

from api import problem_kinds
from api.answers import Headers
from api.problem_kinds import ProblemKind
from api.problems import ProblemError, invalid_input, no_secret_key, not_found
from api.validation import validation_problem
from shared.domain.change_results import (
    CannotSeal,
    Done,
    Made,
    NameTaken,
    NotDone,
    TooMany,
    Unchanged,
    UnknownId,
    VersionDiffers,
)
from shared.domain.monitor.target_documents import WrongPlaceError


@dataclass(frozen=True, slots=True)
class Noun:
    """What answers speak of: `name` in the singular, the `path` of its list, by what it is told apart, and how many.

    `exists` and `too_many` are the problems of its own that a change may meet.
    """

    name: str
    path: str
    most: int
    exists: ProblemKind
    too_many: ProblemKind
    called: str = "name"

    def none_found(self) -> ProblemError:
        """There is none of this id."""
        return not_found(f"There is no {self.name} with this id.")


def status_of(done: Done) -> int:
    """The status that says whether there is a new one."""
    return 201 if isinstance(done, Made) else 200


def headers_of(done: Done, noun: Noun) -> Headers:
    """Where the new one is, or that nothing was written."""
    match done:
        case Made(item_id=item_id):
            return [(b"location", f"{noun.path}/{item_id}".encode())]
        case Unchanged():
            return [(b"tocsin-unchanged", b"true")]
    return []


def refusal_of_change(refused: NotDone | CannotSeal, noun: Noun) -> ProblemError:
    """Why a change was not made."""
    match refused:
        case UnknownId():
            return noun.none_found()
        case NameTaken(holder_id=holder_id):
            return ProblemError(
                noun.exists,
                f"Another {noun.name} has this {noun.called}.",
                members={noun.name: f"{noun.path}/{holder_id}", "id": str(holder_id)},
            )
        case VersionDiffers(version=version):
            return ProblemError(
                problem_kinds.PRECONDITION_FAILED,
                f"The {noun.name} no longer has the version that the request is meant for.",
                members={"version": version},
            )
        case TooMany():
            return ProblemError(noun.too_many, f"There may be {noun.most:,} {noun.name}s at most.")
        case CannotSeal(message=message):
            return no_secret_key(message)
        case _:
            assert_never(refused)


def invalid_document(error: ValidationError | WrongPlaceError, *, prefix: str = "") -> ProblemError:
    """What was sent is none; `prefix` is the pointer to it in a larger body."""
    if isinstance(error, WrongPlaceError):
        return invalid_input([{"detail": error.detail, "pointer": prefix + error.pointer}])
    return validation_problem(error, prefix=prefix)
