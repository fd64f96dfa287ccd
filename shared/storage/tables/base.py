"""The metadata every table hangs on, with names for constraints that migrations can rely on."""

from sqlalchemy import MetaData, text
from sqlalchemy.orm import DeclarativeBase

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

# What columns begin with.
NOW = text("now()")
NOTHING = text("0")
FIRST = text("1")
FALSE = text("false")


class Row(DeclarativeBase):
    """The base of all tables' classes."""

    metadata = MetaData(naming_convention=NAMING)
