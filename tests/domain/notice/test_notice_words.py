"""What a notice says to people."""

from dataclasses import replace
from uuid import UUID

import pytest
from notice_data import comparison, content, told

from shared.domain.alert.reasons_in_words import why_in_words
from shared.domain.channel.channels import Templates
from shared.domain.notice.notice_words import check_templates, render_annotations, render_notice
from shared.domain.notice.notices import NoticeContent, NoticeKind
from shared.domain.template.template_environment import TemplateError

OURS = "https://tocsin.example"


@pytest.mark.parametrize(
    ("said", "title"),
    [
        (content(told(1)), "[FIRING 1] down: shop-1"),
        (content(told(1, "resolved")), "[RESOLVED 1] down: shop-1"),
        (content(told(1), told(2, "resolved", "slow")), "[FIRING 1, RESOLVED 1] down, slow: shop-1, shop-2"),
        (content(told(1), truncated=900), "[FIRING 901] down: shop-1"),
        (replace(content(told(1)), kind=NoticeKind.REMINDER), "[STILL FIRING 1] down: shop-1"),
    ],
    ids=["one", "resolved", "both", "many", "reminder"],
)
def test_the_title_says_what_matters(said: NoticeContent, title: str) -> None:
    """How many, which rule, which monitors."""
    assert render_notice(said).title == title


def test_the_text_tells_each_alert() -> None:
    """Where, since when, how long, and where to read more."""
    text = render_notice(content(told(1), told(2, "resolved")), external_url=OURS).text
    assert "FIRING critical down: shop-1 (web)\n  since 2026-03-01 12:00:00 UTC, for 1h\n" in text
    assert "  p95(duration_ms, 5m) is 412.5, above 300 (30 samples)\n" in text
    assert "until 2026-03-01 12:07:03 UTC, 7m 3s\n  fired because p95(duration_ms, 5m) is 412.5, above 300" in text
    assert f"{OURS}/api/v1/alerts/{UUID(int=2)}/explain" in text


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (comparison(0.1234567), ["p95(duration_ms, 5m) is 0.123457, above 300 (30 samples)"]),
        (comparison(1) | {"op": "<=", "samples": 1}, ["p95(duration_ms, 5m) is 1, not above 300 (1 sample)"]),
        (comparison(1) | {"verdict": "not_met"}, []),
        ({"expression": "state == down", "value": "down", "verdict": "met"}, ["state == down: it is down"]),
        ({"expression": "absent(5m)", "value": "6m", "verdict": "met"}, ["absent(5m): nothing came for 6m"]),
        (
            {"expression": 'cel("a > b")', "figures": {"a": {"value": 2.0}, "b": {"value": None}}, "verdict": "met"},
            ['cel("a > b"): a = 2, b = nothing'],
        ),
    ],
    ids=["number", "one sample", "not met", "state", "absent", "cel"],
)
def test_the_reason_is_a_sentence(found: dict[str, object], said: list[str]) -> None:
    """From the numbers, for each part that was met."""
    assert why_in_words({"comparisons": [found]}) == said


def test_markup_in_what_others_say_is_only_text() -> None:
    """In the HTML of a mail; in its text it stands as it is."""
    message = render_notice(content(told(1)))
    assert "nobody <b>answers</b>" in message.text
    assert "nobody &lt;b&gt;answers&lt;/b&gt;" in (message.html or "")


def test_a_thousand_alerts_make_a_short_message() -> None:
    """The first ones in full, the others as a number, and the page is whole."""
    message = render_notice(content(*(told(number) for number in range(100)), truncated=900))
    assert message.text.rstrip().endswith("and 980 more")
    assert "and 985 more" in (message.html or "")
    assert (message.html or "").endswith("</html>")


def test_no_words_are_too_many() -> None:
    """The longest names and annotations that there can be, a thousand times; the built-in words always stand."""
    labels = {"monitor": "m" * 200, "group": "g" * 200, "alertname": "n" * 200, "severity": "critical"}
    wordy = [
        replace(
            told(number),
            name=f"{number}" + "n" * 190,
            labels=labels | {"monitor": f"{number}" + "m" * 190},
            annotations={f"a{place}": "x" * 3998 + "\n<" for place in range(20)},
        )
        for number in range(1000)
    ]
    message = render_notice(content(*wordy, truncated=9_000))
    assert message.title.startswith("[FIRING 10000] 0nnn")
    assert "0mmm" in message.text
    assert "0mmm" in (message.html or "")


def test_a_channel_has_its_own_words() -> None:
    """Each of the templates stands for one of the built-in ones."""
    own = Templates(title="{{ receiver }}: {{ status }}", body='{"n": {{ alerts|length }}}')
    message = render_notice(content(told(1)), templates=own)
    assert (message.title, message.body) == ("ops: firing", '{"n": 1}')
    assert message.text == render_notice(content(told(1))).text


def test_a_template_that_fails_loses_no_notice() -> None:
    """The built-in words stand in, and say so."""
    message = render_notice(content(told(1)), templates=Templates(text="{{ 1 / 0 }}", title="{{ 1 / 0 }}"))
    assert message.title == "[FIRING 1] down: shop-1"
    assert "shop-1 (web)" in message.text
    assert "a template of the channel failed: title: " in message.text


@pytest.mark.parametrize("body", ['{"text": {{ status }}}', '{"n": {{ 1 / 0 }}}', ""])
def test_a_body_that_is_no_json_is_not_sent(body: str) -> None:
    """The built-in one stands in, and why is told."""
    message = render_notice(content(told(1)), templates=Templates(body=body))
    assert message.body is None
    assert (message.template_failed or "").startswith("body: ")


def test_templates_are_checked_by_name() -> None:
    """With the line, and what it may speak of."""
    with pytest.raises(TemplateError, match=r"html: there is no .nobody.; a template may speak of alerts, "):
        check_templates(Templates(title="{{ status }}", html="{{ nobody }}"))


def test_annotations_speak_of_labels_and_numbers() -> None:
    """One that fails is told as it was written."""
    evidence = {"comparisons": [{"value": 412.0, "threshold": 300.0}]}
    written = {"a": "{{ labels.monitor }}: {{ value|round }} > {{ threshold|round }}", "b": "{{ 1 / 0 }}", "c": "plain"}
    assert render_annotations(written, {"monitor": "shop"}, evidence) == {
        "a": "shop: 412 > 300",
        "b": "{{ 1 / 0 }}",
        "c": "plain",
    }
