"""How names, labels and choices are written, and what is said of one that is written otherwise."""

from collections.abc import Mapping
from types import MappingProxyType

from shared.domain.secret.secret_references import NAME_PATTERN

_NAME = "[a-zA-Z_][a-zA-Z0-9_]{0,62}"
_VALUE = r"[^\x00-\x1f\x7f]{0,200}"
_WINDOW = "(24h|7d|30d|90d|365d)"
_PERCENTILE = r"[0-9]{1,3}(\.[0-9]{1,6})?"

PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
LABEL_NAME = f"^{_NAME}$"
LABEL = f"^{_NAME}:{_VALUE}$"
LABEL_SELECTOR = f"^!?{_NAME}(:{_VALUE})?$"
SLUG = "^[a-z0-9-_]+$"
SECRET_NAME = f"^{NAME_PATTERN}$"
UPTIME_WINDOWS = f"^{_WINDOW}(,{_WINDOW}){{0,4}}$"
MONITOR_GROUPING = f"^(group|label:{_NAME})$"
SAMPLE_GROUPING = f"^(kind|target|monitor|label:{_NAME})$"
PERCENTILES = f"^{_PERCENTILE}(,{_PERCENTILE}){{0,19}}$"
AGGREGATE = r"^(count|sum|mean|min|max|latest|rate|increase|uptime|burn_rate|p(100|[0-9]{1,2}(\.[0-9]{1,3})?))$"
METRIC_NAME = "^[a-z][a-z0-9_]{0,62}$"
FIGURE_NAME = "^[a-z][a-z0-9_]{0,30}$"
HTTP_URL = r"^https?://[^\s/]"
CLOCK_TIME = "^([01][0-9]|2[0-3]):[0-5][0-9]$"
GROUPED_LABEL = f"^({_NAME}|\\.\\.\\.)$"
# Dialects of regular expressions differ in what white space is; the controls and marks they differ in stand by name.
MAIL_ADDRESS = "^{0}@{0}$".format(r"[^@\s,;<>\x00-\x1f\x7f-\x9f\ufeff]+")

SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        PRINTABLE: "control characters cannot stand here",
        LABEL_NAME: "a label's name has letters, digits and _, begins with no digit, and has at most 63 of them",
        LABEL: 'a label is written as name and value, such as "team:web"',
        LABEL_SELECTOR: 'labels are chosen by "team:web", "team", "!team:web" or "!team"',
        SLUG: "a slug has lower-case letters, digits, - and _",
        SECRET_NAME: "a secret's name has letters, digits and _, begins with no digit, and has at most 100 of them",
        UPTIME_WINDOWS: "windows are 24h, 7d, 30d, 90d and 365d, separated by commas",
        MONITOR_GROUPING: 'group by "group" or by a label, such as "label:team"',
        SAMPLE_GROUPING: 'group by "kind", "target", "monitor" or by a label, such as "label:team"',
        PERCENTILES: 'percentiles are numbers separated by commas, at most 20, such as "50,99.9"',
        AGGREGATE: "an aggregate is count, sum, mean, min, max, latest, rate, increase, uptime, burn_rate or a"
        " percentile such as p95",
        METRIC_NAME: "a metric's name has lower-case letters, digits and _, and begins with a letter",
        FIGURE_NAME: "a figure's name has lower-case letters, digits and _, begins with a letter, and has at most 31",
        HTTP_URL: "an address begins with http:// or https:// and a host",
        CLOCK_TIME: 'a time of day is written as hours and minutes, such as "07:00"',
        GROUPED_LABEL: 'group by names of labels, or by "..." for each alert by itself',
        MAIL_ADDRESS: 'an address of e-mail is written without a name, such as "ops@shop.example"',
    }
)
"""By the pattern that was not met."""
