"""The words of a notice, for people: built-in, or by the channel's own templates; no template loses a notice."""

from collections.abc import Mapping
from typing import Any

import orjson

from shared.domain.channel.channels import Templates
from shared.domain.channel.notifications import AlertMessage
from shared.domain.notice.notice_view import ANNOTATION_NAMES, NOTICE_NAMES, annotation_view, notice_view
from shared.domain.notice.notices import NoticeContent
from shared.domain.template.built_in_templates import HTML, NAMES, TEXT, TITLE
from shared.domain.template.template_environment import TemplateError
from shared.domain.template.template_sandbox import View, check_template, render

MAX_TITLE = 300
MAX_ANNOTATION = 4_000


def render_notice(
    content: NoticeContent,
    *,
    templates: Templates | None = None,
    external_url: str | None = None,
    receipt: Mapping[str, Any] | None = None,
) -> AlertMessage:
    """The notice as it is told; where a channel's own template fails the built-in one stands in, and it is said."""
    own = templates or Templates()
    view = notice_view(content, external_url=external_url)
    title, title_failed = _render(own.title, TITLE, view)
    text, text_failed = _render(own.text, TEXT, view)
    html, html_failed = _render(own.html, HTML, view, is_html=True)
    body, body_failed = _body(own.body, view)
    failures = {"title": title_failed, "text": text_failed, "html": html_failed, "body": body_failed}
    failed = next((f"{name}: {said}" for name, said in failures.items() if said is not None), None)
    if failed is not None:
        text += f"\n(a template of the channel failed: {failed})"
    return AlertMessage(
        title=" ".join(title.split())[:MAX_TITLE] or "-",
        text=text,
        html=html,
        body=body,
        content=content,
        receipt=dict(receipt) if receipt is not None else None,
        external_url=external_url,
        template_failed=failed,
    )


def _body(own: str | None, view: View) -> tuple[str | None, str | None]:
    """What a webhook is sent by the channel's template, None for the built-in body; and why the latter stands in."""
    if own is None:
        return None, None
    try:
        body = render(own, view)
        orjson.loads(body)
    except TemplateError as error:
        return None, str(error)[:200]
    except orjson.JSONDecodeError as error:
        return None, f"what it made is no JSON: {error}"[:200]
    return body, None


def check_templates(templates: Templates) -> None:
    """Refuse templates that cannot be rendered.

    Raises:
        TemplateError: one of them; the message names it and says why.
    """
    for name in ("title", "text", "html", "body"):
        source = getattr(templates, name)
        if source is None:
            continue
        try:
            check_template(source, names=NOTICE_NAMES, is_html=name == "html")
        except TemplateError as error:
            raise TemplateError(f"{name}: {error}") from None


def check_annotation(source: str) -> None:
    """Refuse an annotation that cannot be rendered.

    Raises:
        TemplateError: the message says why.
    """
    check_template(source, names=ANNOTATION_NAMES)


def render_annotations(
    annotations: Mapping[str, str], labels: Mapping[str, str], evidence: Mapping[str, Any]
) -> dict[str, str]:
    """A rule's annotations for one alert; one that fails is told as it was written."""
    view = annotation_view(labels, evidence)
    return {
        name: source if "{" not in source else _render(source, source, view)[0][:MAX_ANNOTATION]
        for name, source in annotations.items()
    }


def _render(own: str | None, built_in: str, view: View, *, is_html: bool = False) -> tuple[str, str | None]:
    """The text, and why a template of people's own could not be used."""
    if own is None:
        return _render_ours(built_in, view, is_html=is_html), None
    try:
        return render(own, view, is_html=is_html), None
    except TemplateError as error:
        said = str(error)[:200]
        # An annotation stands for itself: it is told as it was written.
        return (own if built_in is own else _render_ours(built_in, view, is_html=is_html)), said


def _render_ours(template: str, view: View, *, is_html: bool) -> str:
    """By a built-in template; where alerts are too wordy for its budget, their names alone."""
    try:
        return render(template, view, is_html=is_html)
    except TemplateError:
        return render(NAMES, view, is_html=is_html)
