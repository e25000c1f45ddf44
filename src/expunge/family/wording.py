"""Plain words for what a policy names by keys: data categories, purposes, lengths of time, roles.

A parent reads these, so no key is ever printed. The nearest word counts: the policy's own (``notices.words``), then the table here, then
that of the category above, then fideslang's own name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from fideslang import DEFAULT_TAXONOMY

from expunge.policy.catalog import Catalog
from expunge.policy.model import Policy, Term
from expunge.policy.taxonomy import parent

CATEGORIES: Mapping[str, str] = {
    "user.account": "your account's settings",
    "user.authorization": "what you sign in with",
    "user.behavior": "when and how the service is used",
    "user.behavior.browsing_history": "pages that were visited",
    "user.behavior.media_consumption": "what was listened to and watched",
    "user.behavior.purchase_history": "what was bought",
    "user.behavior.search_history": "what was searched for",
    "user.biometric": "patterns of the body that tell one person from another",
    "user.biometric.fingerprint": "fingerprints",
    "user.biometric.health": "measurements of the body",
    "user.biometric.retinal": "scans of the eye",
    "user.biometric.voice": "voice recordings",
    "user.childrens": "facts about children",
    "user.contact": "ways to reach you",
    "user.contact.address": "home addresses",
    "user.contact.email": "e-mail addresses",
    "user.contact.phone_number": "phone numbers",
    "user.content": "what people write and upload",
    "user.content.private": "private messages, pictures and files",
    "user.content.public": "posts that others can see",
    "user.content.self_image": "pictures of people",
    "user.criminal_history": "criminal records",
    "user.demographic": "facts such as age and language",
    "user.demographic.age_range": "age",
    "user.demographic.date_of_birth": "year or date of birth",
    "user.demographic.gender": "gender",
    "user.demographic.language": "language",
    "user.device": "facts about your devices",
    "user.device.cookie": "cookies",
    "user.device.cookie_id": "cookie numbers",
    "user.device.device_id": "device numbers",
    "user.device.ip_address": "network addresses of devices",
    "user.financial": "bank and card details",
    "user.government_id": "official identity numbers",
    "user.health_and_medical": "facts about health, such as allergies",
    "user.job_title": "job titles",
    "user.location": "where a device has been",
    "user.location.imprecise": "the area a device is in",
    "user.location.precise": "the exact place a device is at",
    "user.name": "names",
    "user.payment": "payments",
    "user.privacy_preferences": "privacy choices",
    "user.sensor": "what sensors in the home measure",
    "user.social": "who is in touch with whom",
    "user.telemetry": "how the device is working",
    "user.unique_id": "the numbers we use to tell people and things apart",
    "user.user_sensor": "what sensors in the home measure",
    "user.workplace": "where people work",
}
"""Our own words, for the categories that a maker of things for the home collects."""

USES: Mapping[str, str] = {
    "analytics": "to learn how the service is used",
    "collect": "to collect it for you",
    "employment": "to hire people",
    "essential": "to run the service",
    "essential.fraud_detection": "to stop fraud",
    "essential.legal_obligation": "to obey the law",
    "essential.service": "to give you the service",
    "essential.service.authentication": "to let you sign in",
    "essential.service.notifications": "to send you messages that you need",
    "essential.service.operations": "to keep the service running",
    "essential.service.payment_processing": "to take payments",
    "essential.service.security": "to keep your home and your account safe",
    "finance": "to keep our books",
    "functional": "to give you features that you choose",
    "functional.service": "to give you features that you choose",
    "functional.service.improve": "to make the service better",
    "marketing": "to tell you about offers",
    "marketing.advertising": "to show ads",
    "operations": "to run our company",
    "personalize": "to fit the service to you",
    "sales": "to sell to you",
    "third_party_sharing": "to share it with others",
    "train_ai_system": "to teach our software from it",
}

MAY: Mapping[str, str] = {"view": "look at", "live": "watch live", "talk": "speak through", "export": "copy"}
CONDITIONS: Mapping[str, str] = {
    "owner_consent": "only if you say yes first",
    "second_person": "only if a second person agrees",
    "legal_order": "only if the law orders it",
    "emergency": "only if somebody is in danger",
}

_MINUTE, _MONTH, _HALF_YEAR, _YEAR = 60, 30, 180, 365
"""Seconds of a minute and minutes of an hour; days, as ``policy.quantities`` counts them."""


def words_for(category: str, own: Mapping[str, str]) -> str:
    """The plain words of a data category; of the nearest one above it that has any."""
    here = category
    while here:
        found = own.get(here) or CATEGORIES.get(here) or _named(here)
        if found:
            return found
        here = parent(here)
    return "other facts about people"


def use_of(use: str) -> str:
    """What a data use is for, after "We use it"."""
    here = use
    while here:
        if here in USES:
            return USES[here]
        here = parent(here)
    return "for a purpose that we name to you"


def length(time: timedelta) -> str:
    """A length as people say it: ``30 days``, ``18 months``, ``2 years``; hours and minutes below a day.

    Months only from half a year on: a policy's month is 30 days, and who reads "1 month" in February counts 28.
    """
    days = time.days
    if days < 1:
        minutes = int(time.total_seconds() // _MINUTE)
        return _count(minutes, "minute") if minutes % _MINUTE else _count(minutes // _MINUTE, "hour")
    if days % _YEAR == 0:
        return _count(days // _YEAR, "year")
    return _count(days // _MONTH, "month") if days >= _HALF_YEAR and days % _MONTH == 0 else _count(days, "day")


def kept(term: Term, policy: Policy) -> str:
    """How long, as the rest of a sentence that begins with "We keep this"."""
    if term.keep is None:
        return "for as long as the account is open"
    if term.keep == timedelta(0):
        return "only until the request is answered, and then delete it at once"
    if term.since == "captured_at":
        return f"for {length(term.keep)}"
    own = policy.notices.words.get(term.since)
    told = own or _since(term.since)
    return f"for {length(term.keep)} after {told}"


def kind_words(kind: str, catalog: Catalog) -> str:
    """Whom a section is about."""
    note = catalog.kinds[kind]
    if note.minor:
        return "your child"
    members = any(one.member_of == kind for one in catalog.kinds.values())
    return "your home" if members else "you"


def listed(words: Sequence[str], last: str = "and") -> str:
    """``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else ""


def distinct(words: Iterable[str]) -> list[str]:
    """Each once, in order: several categories may share their plain words."""
    return list(dict.fromkeys(words))


def sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _since(field: str) -> str:
    """``app.profiles.last_used_at`` as "last used": the best that can be made of a name; the policy's own words are better."""
    name = re.sub(r"(_at|_on|_date|_time)$", "", field.rpartition(".")[2])
    return f"it was {name.replace('_', ' ')}"


def _named(category: str) -> str:
    return next((str(one.name).lower() for one in DEFAULT_TAXONOMY.data_category if one.fides_key == category and one.name), "")


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
