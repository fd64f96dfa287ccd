"""What every error looks like (RFC 9457)."""

from pydantic import BaseModel, ConfigDict, Field


class ErrorView(BaseModel):
    """One place where the input is wrong."""

    detail: str
    pointer: str | None = Field(default=None, description="The place in the body, a JSON pointer (RFC 6901).")
    parameter: str | None = Field(default=None, description="The query parameter.")


class ProblemView(BaseModel):
    """A problem; kinds may add members of their own."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Names the kind of problem; its page under this path says what to do.")
    title: str
    status: int
    detail: str
    instance: str | None = Field(default=None, description="Names the request, as the server's log does.")
    errors: list[ErrorView] | None = None
