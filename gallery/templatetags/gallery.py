"""What templates of every room need to show pictures and to know where they are."""

from django import template
from django.template.context import RequestContext
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from gallery.models import Image

register = template.Library()

# The place in the top bar that each page of ours belongs to, by the first word of its name.
PLACES = {
    "home": "home",
    "stories": "stories",
    "story": "stories",
    "characters": "characters",
    "character": "characters",
    "library": "library",
    "image": "library",
}


@register.simple_tag(takes_context=True)
def place(context: RequestContext) -> str:
    """Which place of the top bar this page belongs to; empty on pages of none, such as errors."""
    match = getattr(context.get("request"), "resolver_match", None)
    if match is None:
        return ""
    if match.app_name == "generation":
        return "jobs"
    return PLACES.get((match.url_name or "").partition("_")[0], "") if match.app_name == "gallery" else ""


@register.simple_tag
def ground(image: Image, where: str = "card") -> SafeString:
    """The picture's own four colours from top to bottom, shown until it has come.

    `where` keeps ids apart when one picture stands twice on a page. A strict CSP drops `style=`, but not
    the attributes of SVG.
    """
    return gradient(image.gradient, f"{where}-{image.pk}")


@register.simple_tag
def gradient(colours: str, name: str) -> SafeString:
    """Four colours of six hex digits each; `name` is unique on the page."""
    stops = format_html_join(
        "",
        '<stop offset="{}" stop-color="#{}"/>',
        ((offset, colours[6 * n : 6 * n + 6]) for n, offset in enumerate(("0", ".33", ".67", "1"))),
    )
    return format_html(
        '<svg class="ground" viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">'
        '<linearGradient id="g-{0}" x2="0" y2="1">{1}</linearGradient>'
        '<rect width="1" height="1" fill="url(#g-{0})"/></svg>',
        name,
        stops,
    )


@register.filter
def shape(image: Image) -> str:
    if image.width * 4 > image.height * 5:
        return "is-wide"
    return "is-tall" if image.height * 4 > image.width * 5 else "is-square"


@register.filter
def megabytes(count: int) -> str:
    """A size for people, as file managers write it: `840 KB`, `2.4 MB`, `62 MB`, `1.3 GB`."""
    for factor, unit in ((10**9, "GB"), (10**6, "MB")):
        if count >= factor:
            return f"{count / factor:.{0 if count >= 10 * factor else 1}f} {unit}"
    return f"{max(1, round(count / 1000))} KB"


@register.filter
def sentence(text: str) -> str:
    """With a full stop, whether or not its author wrote one."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


@register.filter
def lookup(mapping: dict[object, object], key: object) -> object | None:
    return mapping.get(key)
