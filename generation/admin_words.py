"""Jobs, scenes and accounts in the admin's words: status labels, reasons, leases, how long something took."""

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from gallery.templatetags.gallery import sentence
from generation.models import GenerationJob, ProviderAccount, SceneGeneration, Status
from generation.progress import Totals
from generation.slots import WORDS, in_words, state_of
from generation.waiting import Account

REASONS_SHOWN = 2


def job_label(totals: Totals) -> SafeString:
    return label(totals.status, totals.status_word)


def scene_label(row: SceneGeneration, now: datetime) -> SafeString:
    return label(row.status, WORDS[state_of(row, now)])


def standing(row: SceneGeneration, now: datetime) -> SafeString:
    """In one place of a list: the state, the tries it took, and of a running scene its lease."""
    held = lease(row, now)
    more = f"try {tries(row)}" + (f", lease {held}" if held else "")
    return format_html('{} <span class="more">{}</span>', scene_label(row, now), more if row.attempt else "")


def label(look: str, words: str) -> SafeString:
    """The colour says nothing that the words do not say."""
    return format_html('<span class="status is-{}">{}</span>', look, words)


def why(row: SceneGeneration, now: datetime) -> str:
    """Why a scene failed, is tried again or waits; empty where all goes well."""
    if row.status == Status.FAILED:
        return row.error_message
    if row.status != Status.QUEUED:
        return ""
    parts = [f"waits for {row.waiting_for}" if row.waiting_for else "", row.error_message]
    if row.due_at > now:
        parts.append(f"again in {in_words((row.due_at - now).total_seconds())}")
    return "; ".join(part.rstrip(".") for part in parts if part)


def tries(row: SceneGeneration) -> str:
    waits = f", {row.waits} waits" if row.waits else ""
    return f"{row.attempt} of {settings.GENERATION_ATTEMPTS}{waits}"


def lease(row: SceneGeneration, now: datetime) -> str:
    """Who works on a scene says so again and again; a lease that is over is anybody's to take."""
    if row.lease_until is None:
        return ""
    seconds = (row.lease_until - now).total_seconds()
    return f"{in_words(seconds)} more" if seconds > 0 else f"over for {in_words(-seconds)}"


def scene_took(row: SceneGeneration, now: datetime) -> str:
    """From the claim of its last attempt to its end, or until now."""
    if row.claimed_at is None or row.status == Status.QUEUED:
        return ""
    return in_words(((row.finished_at or now) - row.claimed_at).total_seconds())


def pictures(totals: Totals) -> str:
    """`8 of 10`, and what else there is to say of the rest."""
    counts = f", {totals.counts}" if totals.counts else ""
    return f"{totals.saved:,} of {totals.total:,}{counts}"


def job_took(totals: Totals, now: datetime) -> str:
    started: datetime | None = getattr(totals.job, "started_at", None)
    ended: datetime | None = getattr(totals.job, "last_finished_at", None)
    if started is None:
        return ""
    if totals.is_open or ended is None:
        return f"{in_words((now - started).total_seconds())} so far"
    return in_words((ended - started).total_seconds())


def reasons(counted: Iterable[tuple[str, int]]) -> SafeString:
    """Why scenes of a job failed, the most frequent reason first."""
    found = sorted(counted, key=lambda one: -one[1])
    lines = [(f"{sentence(reason)}{f' ({count:,} scenes)' if count > 1 else ''}",) for reason, count in found]
    if more := len(lines) - REASONS_SHOWN:
        lines = [*lines[:REASONS_SHOWN], (f"And {more} other reasons.",)] if more > 0 else lines
    return format_html_join(" ", "<span>{}</span>", lines)


def asked(job: GenerationJob) -> SafeString:
    """What was asked for, a line each; what was left open is left out."""
    lines = [(name.capitalize(), _in_line(value)) for name, value in job.asked.items() if value not in (None, [], "")]
    return format_html('<dl class="noted">{}</dl>', format_html_join("", "<dt>{}</dt><dd>{}</dd>", lines))


def account_state(account: ProviderAccount | Account, now: datetime) -> SafeString:
    if account.closed_until is None or account.closed_until <= now:
        return label("saved", "open")
    return label("failed", f"closed for {in_words((account.closed_until - now).total_seconds())}")


def with_time(count: int, words: str, moment: datetime | None, now: datetime) -> SafeString | str:
    """How many, and `words` with the time from that moment until now, or until that moment."""
    if moment is None:
        return f"{count:,}"
    return format_html(
        '{} <span class="more">{} {}</span>', f"{count:,}", words, in_words(abs((now - moment).total_seconds()))
    )


def _in_line(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
