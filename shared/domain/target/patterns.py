"""Regular expressions of users, matched in time linear in the text.

They are run by Rust's `regex` crate, which pydantic brings along: no look-around and no back-references, and so no
pattern that stops a worker. Python's own `re` would hold the interpreter while it backtracks, in whatever thread.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, core_schema

_REASON = re.compile(r"error: (.+)$|(Compiled regex exceeds size limit).*", re.MULTILINE)


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Make a function that says whether the pattern occurs anywhere in a text.

    Raises:
        ValueError: the pattern cannot be read, or is larger than is good for a worker.
    """
    try:
        validator = SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError as error:
        found = _REASON.search(str(error))
        reason = (found[1] or found[2]) if found else "it cannot be read"
        raise ValueError(f"not a pattern that can be matched: {reason}") from error
    return validator.isinstance_python
