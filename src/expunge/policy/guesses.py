"""What a field probably holds, judged by its name and type alone; a person decides.

A name is split into words (``userEmail``, ``user_email``, ``USER-EMAIL`` are the same two), and the first rule whose words it carries
answers. Each guess says which word it saw. Better one guess too many than one too few: a wrong one is deleted with one key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from expunge.terms import Field, FieldType

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_TEXTUAL = frozenset({FieldType.TEXT, FieldType.JSON, FieldType.OTHER, FieldType.BYTES})
_NUMBERS = frozenset({FieldType.REAL, FieldType.NUMERIC, FieldType.INTEGER})
_TIMES = frozenset({FieldType.TIME, FieldType.DATE})
_ANY = frozenset(FieldType) - {FieldType.BOOLEAN}


@dataclass(frozen=True, slots=True)
class Guess:
    """A data category, and why."""

    category: str
    why: str


@dataclass(frozen=True, slots=True)
class _Rule:
    category: str
    phrases: str  # separated by bars: each a word, or several side by side
    types: frozenset[FieldType] = _TEXTUAL


_RULES = (
    # order matters: `ip address` before `address`, `transcript` before `voice`, `username` before `name`
    _Rule("user.contact.email", "email|e mail|mail address"),
    _Rule("user.contact.phone_number", "phone|mobile|msisdn|telephone|tel|cellphone|fax", _TEXTUAL | {FieldType.INTEGER}),
    _Rule("user.device.ip_address", "ip|ipv4|ipv6|ip address|remote addr|inet"),
    _Rule("user.device.cookie_id", "cookie"),
    _Rule(
        "user.device.device_id",
        "device id|device uuid|serial|imei|imsi|mac address|idfa|gaid|adid|advertising id|hardware id|push token",
        _ANY,
    ),
    _Rule("user.device", "user agent|useragent|device name|device model"),
    _Rule(
        "user.location.precise",
        "lat|latitude|lon|lng|longitude|gps|geohash|coordinates|coords|geom|geometry|geo|location",
        _TEXTUAL | _NUMBERS,
    ),
    _Rule("user.contact.address.street", "street|address line|house number"),
    _Rule("user.contact.address.city", "city|town"),
    _Rule("user.contact.address.postal_code", "zip|zipcode|postcode|postal", _TEXTUAL | {FieldType.INTEGER}),
    _Rule("user.contact.address.country", "country"),
    _Rule("user.contact.address", "address"),
    _Rule("user.content.private", "transcript|transcription|utterance text|said|spoken"),
    _Rule("user.biometric.voice", "voice|voiceprint|audio|speech|utterance|speaker embedding|wav", _ANY),
    _Rule("user.biometric", "face|faceprint|embedding|facial|gait|iris", _ANY),
    _Rule("user.biometric.fingerprint", "fingerprint", _ANY),
    _Rule("user.content.self_image", "photo|picture|avatar|selfie|portrait|snapshot"),
    _Rule("user.content.private", "video|clip|footage|recording|thumbnail|thumb"),
    _Rule("user.demographic.date_of_birth", "birth|birthday|birthdate|dob", _ANY),
    _Rule("user.demographic.age_range", "age", _ANY),
    _Rule("user.demographic.gender", "gender|sex|pronouns"),
    _Rule("user.demographic.language", "language|locale"),
    _Rule("user.name.first", "first name|firstname|given name|forename|nickname"),
    _Rule("user.name.last", "last name|lastname|surname|family name"),
    _Rule("user.account.username", "username|user name|login|handle|screen name"),
    _Rule("user.name", "full name|fullname|display name|displayname|person name|contact name"),
    _Rule("user.authorization.password", "password|passwd|passcode|pin|password hash"),
    _Rule("user.authorization.credentials", "secret|api key|access token|refresh token|credential|otp"),
    _Rule("user.financial.credit_card", "card number|credit card|cvv|card"),
    _Rule("user.financial.bank_account", "iban|bank account|bic|routing number"),
    _Rule("user.government_id.national_identification_number", "ssn|national id|tax id|social security", _ANY),
    _Rule("user.government_id.passport_number", "passport"),
    _Rule("user.health_and_medical", "health|medical|allergy|diagnosis|medication|heart rate", _ANY),
    _Rule("user.behavior.search_history", "search|query"),
    _Rule("user.behavior.browsing_history", "referrer|referer|page url|visited url"),
    _Rule("user.content.private", "message|body|comment|note|chat|reminder|fact|bio|subject line"),
)
PEOPLE = frozenset(
    {"user", "person", "profile", "customer", "member", "adult", "child", "kid", "parent", "guardian", "contact", "account", "household"}
    | {"family", "employee", "patient", "guest", "visitor", "speaker", "owner", "author", "sender", "receiver", "recipient", "subscriber"}
)
"""Words for a person: a collection of these has people's names in ``name``, and a field of these probably holds somebody's key."""

POINTING = frozenset({"id", "uuid", "guid", "key", "ref", "no", "number"})
"""Endings of fields that point at something instead of holding it."""

_CONTENT = (["text"], ["content"])
_ABOUT = (POINTING - {"no", "number"}) | {"type", "status", "count", "at", "version", "format", "size", "length", "verified", "enabled"}


def words(name: str) -> tuple[str, ...]:
    """The words of a name, lower case: ``userEmail2`` is ``user``, ``email``, ``2``."""
    return tuple(found.lower() for found in _WORD.findall(name))


def singular(word: str) -> str:
    """``people`` and ``profiles`` as ``person`` and ``profile``; English only."""
    if word == "people":
        return "person"
    if word == "children":
        return "child"
    if word.endswith("ies") and len(word) > 4:  # noqa: PLR2004 - `ties`, `lies` are not plurals of `ty`, `ly`
        return f"{word[:-3]}y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def guess(field: Field, collection: str) -> Guess | None:
    """What the field probably holds, or ``None`` if its name says nothing about a person."""
    held = [singular(word) for word in words(field.name)]
    for rule in _RULES:
        phrase = next((one for one in rule.phrases.split("|") if _carries(held, one)), None)
        if phrase and field.type in rule.types:
            return Guess(rule.category, f'"{phrase}" in the name, type {field.type.value}')
    person = next((word for word in _singulars(collection) if word in PEOPLE), None)
    if held == ["name"] and person and field.type in _TEXTUAL:
        return Guess("user.name", f'"name" in a collection of "{person}"')
    if held in _CONTENT and field.type in _TEXTUAL:
        return Guess("user.content.private", f'"{held[0]}" is all that its name says')
    return None


def _singulars(name: str) -> Iterable[str]:
    return (singular(word) for word in words(name))


def _carries(held: list[str], phrase: str) -> bool:
    """All words of the phrase side by side; in a name that ends like a key's or a property's, the ending must be the phrase's own."""
    wanted = [singular(word) for word in words(phrase)]
    found = any(held[start : start + len(wanted)] == wanted for start in range(len(held)))
    return found and (held[-1] not in _ABOUT or held[-1] == wanted[-1])
