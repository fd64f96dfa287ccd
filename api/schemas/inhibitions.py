"""What inhibitions look like, and how they are set."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from api.schemas.jobs import View
from shared.domain.matchers import MatcherText, parse_matchers
from shared.domain.rule.rules import Name
from shared.domain.suppression.inhibitions import Inhibition
from shared.domain.target.targets import LabelName

_TEXT: JsonDict = {"type": "string"}
_ONE_CAUSE: JsonDict = {
    "oneOf": [
        {"required": ["source"], "properties": {"source": _TEXT}},
        {"required": ["depends_on"], "properties": {"depends_on": _TEXT}},
    ]
}

_Matchers = Annotated[MatcherText, Field(json_schema_extra={"format": "matchers"})]
_Cause = Annotated[_Matchers, Field(min_length=1)]


class InhibitionBody(BaseModel):
    """Alerts that are not told while another alert, or a monitor that is down, explains them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, json_schema_extra=_ONE_CAUSE)

    name: Name
    source: Annotated[_Cause | None, Field(description="While such an alert fires.")] = None
    depends_on: Annotated[_Cause | None, Field(description="While such a monitor is down.")] = None
    target: Annotated[_Matchers, Field(description="Which alerts are not told meanwhile.")]
    equal: Annotated[list[LabelName], Field(max_length=20, description="Labels that both have to have alike.")] = Field(
        default_factory=list
    )

    @model_validator(mode="after")
    def _has_one_cause(self) -> Self:
        if (self.source is None) == (self.depends_on is None):
            raise PydanticCustomError("one_cause", "give source or depends_on, and not both")
        return self

    def inhibition_of(self, inhibition_id: UUID, *, now: datetime, by: str) -> Inhibition:
        """The inhibition with this id."""
        return Inhibition(
            inhibition_id=inhibition_id,
            name=self.name,
            source=None if self.source is None else parse_matchers(self.source),
            depends_on=None if self.depends_on is None else parse_matchers(self.depends_on),
            target=parse_matchers(self.target),
            equal=tuple(self.equal),
            created_at=now,
            created_by=by,
        )


INHIBITION_BODY: TypeAdapter[InhibitionBody] = TypeAdapter(InhibitionBody)


class InhibitionView(View):
    """An inhibition, or a dependency."""

    id: UUID
    name: str
    source: str | None
    depends_on: str | None
    target: str
    equal: list[str]
    created_at: datetime
    created_by: str


class InhibitionList(View):
    """All there are, in the order of their names; 100 at most."""

    items: list[InhibitionView]
    next_cursor: None = Field(description="Always null: there is one page.")


def inhibition_json(inhibition: Inhibition) -> dict[str, object]:
    """An inhibition as `InhibitionView` describes it."""
    source, depends_on = inhibition.source, inhibition.depends_on
    return {
        "id": str(inhibition.inhibition_id),
        "name": inhibition.name,
        "source": None if source is None else str(source),
        "depends_on": None if depends_on is None else str(depends_on),
        "target": str(inhibition.target),
        "equal": list(inhibition.equal),
        "created_at": inhibition.created_at,
        "created_by": inhibition.created_by,
    }
