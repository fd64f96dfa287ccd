"""Templates of people: what they can say, and what they cannot do."""

import time

import pytest

from shared.domain.template.template_environment import TemplateError
from shared.domain.template.template_sandbox import MAX_OUTPUT, check_template, render

VIEW = {
    "title": "t",
    "alerts": [{"name": "a<b", "labels": {"team": "web", "site": "x"}, "value": 2.5} for _ in range(100)],
}


def say(source: str, *, is_html: bool = False) -> str:
    check_template(source, names=VIEW, is_html=is_html)
    return render(source, VIEW, is_html=is_html)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ title|upper }}!", "T!"),
        ("{{ alerts|length }} {{ alerts[0].name }} {{ alerts[0]['labels'].team }}", "100 a<b web"),
        (
            "{% for a in alerts[:2] %}{{ loop.index }}/{{ loop.length }}{% if loop.last %}.{% endif %}{% endfor %}",
            "1/22/2.",
        ),
        ("{% for name, value in alerts[0].labels|items %}{{ name }}={{ value }} {% endfor %}", "site=x team=web "),
        ("{{ alerts|map('name')|unique|join(', ') ~ title }}", "a<bt"),
        ("{{ alerts|where('labels.team', 'web')|length }}", "100"),
        ("{% set a = alerts[0].value * 2 + 1 %}{{ a|round }}", "6"),
        ("{{ alerts[0].nothing.at.all|default('-') }}{{ title.foo }}", "-"),
        ("{{ 'x' in ('x', 'y') }} {{ title == 't' }}", "True True"),
        ("{{ alerts[0]|tojson }}", '{"name":"a<b","labels":{"team":"web","site":"x"},"value":2.5}'),
        ("{% raw %}{{ a }}{% endraw %}", "{{ a }}"),
    ],
)
def test_what_a_template_can_say(source: str, said: str) -> None:
    """The common things, and nothing where nothing is."""
    assert say(source) == said


def test_html_is_escaped_whatever_joins_it() -> None:
    """What a server answered cannot become markup."""
    assert (
        say("<b>{{ alerts[0].name }}</b>{{ alerts[0].name ~ '<i>' }}", is_html=True) == "<b>a&lt;b</b>a&lt;b&lt;i&gt;"
    )


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{{ title", "line 1"),
        ("{{ nobody }}", 'there is no "nobody"; a template may speak of alerts, title'),
        ("{{ alerts.append(1) }}", "call is not available"),
        ("{{ 9 ** 9 }}", "pow is not available"),
        ("{{ title|format(1) }}", 'no filter "format"'),
        ("{{ title|_turns }}|", 'no filter "_turns"'),
        ("{% include 'x' %}", "include is not available"),
        ("{% macro m() %}{% endmacro %}", "macro is not available"),
        ("{% set a %}{{ title }}{% endset %}", "assignblock is not available"),
        ("{{ [alerts, alerts] }}", "only constants"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "nested too deeply"),
        ("{{ " + "not " * 4000 + "1 }}", "nested too deeply"),
        ("x" * 20_001, "at most 20000 characters"),
    ],
)
def test_what_is_no_template_is_refused_with_the_reason(source: str, why: str) -> None:
    """When it is saved, not in the night."""
    with pytest.raises(TemplateError, match=why):
        say(source)


DOUBLING = "{% set a = a ~ a %}"
SQUARING = "{% set a = a * a %}"
LOOP = "{% for x in alerts %}"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}{{ alerts.__class__ }}{{ title.__init__.__globals__ }}",
        "{{ '%1000000000s' % 1 }}",
        "{{ 'a' * 1000000000 }}",
        "{{ 9 ** 99999999 }}",
        "{% set a = 'aaaaaaaaaaaaaaaaaaaa' %}" + 19 * DOUBLING + "{{ a }}",
        "{% set a = 99999999999 %}" + 19 * SQUARING + "{{ a }}",
        5 * LOOP + "x" + 5 * "{% endfor %}",
        5 * LOOP + "{% if title %}{% endif %}" + 5 * "{% endfor %}",
        2 * LOOP + "{{ alerts|sort('name')|length }}" + 2 * "{% endfor %}",
        "{{ title|replace('t', '" + "x" * 9000 + "')|replace('x', '" + "y" * 9000 + "') }}",
        "{{ title|indent(1000000000) }}{{ 1.5|round(1000000000) }}{{ title|truncate(1000000000) }}",
        3 * LOOP + 80 * "{% if 1+1+1+1+1+1+1+1+1+1 == 5 %}x{% endif %}" + 3 * "{% endfor %}",
        2 * "{% for x in alerts if 1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1 == 5 %}" + 2 * "{% endfor %}",
        "{{ alerts }}",
        "{{ 1 / 0 }}",
    ],
    ids=range(15),
)
def test_nothing_that_a_template_does_takes_long_or_leads_out(source: str) -> None:
    """It is refused, or says next to nothing; in a blink either way."""
    started = time.process_time()
    try:
        said = say(source)
    except TemplateError:
        said = ""
    assert len(said) <= 10
    assert "class" not in said
    assert time.process_time() - started < 2


def test_what_is_too_long_is_cut_off() -> None:
    """A notice has its bounds."""
    assert len(say("x" * 15_000 + "{% for a in alerts %}" + "y" * 1000 + "{% endfor %}")) == MAX_OUTPUT
    assert len(say(2 * LOOP + "{{ alerts|tojson }}" + 2 * "{% endfor %}")) == MAX_OUTPUT
