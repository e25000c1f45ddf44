"""How much a string tells: bits of information of identifiers and words, by which sightings become *found*, *review* or nothing.

The estimates are of order of magnitude, and meant to err to the low side. A random number of nine digits has 30 bits: among 100,000 such
needles (17 bits) one in 2**13 random numbers of nine digits is a needle by chance, which is why it needs a field's name beside it.
"""

from __future__ import annotations

import math
import re

FOUND_MARGIN, FOUND_LEAST = 24.0, 36.0
"""An identifier stands by itself if chance makes it once in 2**24 tokens of its shape, given all needles, and has 36 bits (11 digits)."""
REVIEW_MARGIN, REVIEW_LEAST = 16.0, 28.0
WEAK = REVIEW_LEAST
"""Below, an identifier is looked for only behind a field's name that fits it."""
NAME_BITS = 40.0
"""A person's name is shown for review, beside another trace of the same person, from here on without a fitting field."""

EXACT_FOUND, EXACT_REVIEW = 44.0, 36.0
"""Bits of a text seen whole. "Turn on the lights in the kitchen" has 37, "set a timer for ten minutes" 36."""
EDITED_FOUND, EDITED_FOUND_SHARE = 72.0, 0.88
"""Bits and share of a text that are seen again. Two of the same template that differ in one name have shares up to 0.85."""
EDITED_REVIEW_MARGIN, EDITED_REVIEW_LEAST, EDITED_REVIEW_SHARE = 24.0, 32.0, 0.55
"""The same for review: with 45,000 texts of one language 39 bits."""

MAIL = 64.0
"""Bits of a mail address, whatever its letters: there is one owner."""

_LAST_ALPHABETIC = "\u2e7f"
"""Ideographs come after."""
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]{2,}")
_GENERIC_NAMES = frozenset({"name", "fullname", "firstname", "lastname", "surname", "forename", "givenname", "nickname", "displayname"})


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FUNCTION = _words(
    "a an the and or but if so to of in on at by for from with as is are was were be been am do does did have has had can could will would "
    "shall should may might must not no yes i you he she it we they me him her us them my your his its our their this that these those "
    "there here what who when where why how which all some any more most very just now then than too up down out off over about into one "
    "two s t m d ll re ve don o oh uh um ok okay please"
)
_COMMON = _words(
    "three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty hundred thousand first second third next "
    "last turn set play stop start open close pause resume skip switch make put get go going come take give tell ask show find look see "
    "say let know think want need like love help add remove delete call send read watch listen hear wake remind reminder alarm timer "
    "minute minutes hour hours day days week weekend month year today tonight tomorrow yesterday morning afternoon evening night noon "
    "midnight monday tuesday wednesday thursday friday saturday sunday o'clock am pm time date weather temperature degrees rain snow "
    "sunny cold hot warm light lights lamp door doors lock unlock kitchen bedroom bathroom living room garage garden house home school "
    "work office music song songs playlist album artist radio station news volume louder quieter tv movie video game story joke "
    "shopping list milk bread eggs coffee tea water food dinner lunch breakfast mum mom mummy mommy dad daddy baby brother sister "
    "friend family hello hi hey good bye thanks thank great nice new old big little small long best right left back again still also "
    "only other another every much many long large medium double black white red blue green way thing things people man woman child "
    "children boy girl something anything nothing really please favorite favourite would're alexa siri google computer echo"
)


def is_name(kind: str) -> bool:
    """Whether a type of identifier is a person's name: many people share one."""
    return re.sub(r"[^a-z]", "", kind.lower()).removeprefix("child").removeprefix("person") in _GENERIC_NAMES


def word_bits(word: str) -> float:
    """What one word (lower case) tells: 4 bits for function words, 7 for what people say to a voice assistant, numbers, else 12.

    Twelve is about log2 of the rank of an ordinary word by frequency.
    """
    if word in _FUNCTION or len(word) == 1:
        return 4.0
    if word in _COMMON:
        return 7.0
    return min(3.3 * len(word), 12.0) if word.isdigit() else 12.0


def identifier_bits(text: str) -> float:
    """What an identifier tells. A mail address is unique by what it is; letters of words tell 2.3 bits, of codes 4 to 5, digits 3.3."""
    if _MAIL.fullmatch(text):
        return MAIL
    digits = sum(letter.isdigit() for letter in text)
    capitals = sum(letter.isupper() for letter in text)
    letters = sum(letter.isalpha() for letter in text)
    mixed = 0 < capitals < letters and digits and not text[0].isupper()
    each = 2.3 if not digits else 5.0 if mixed else 4.0
    wide = sum(letter > _LAST_ALPHABETIC for letter in text)  # an ideograph tells as much as a word
    return 3.3 * digits + each * (letters - wide) + 8.0 * wide


def edited_least(texts: int) -> float:
    """Bits of an edited text below which it isn't shown, given how many texts are looked for."""
    return max(EDITED_REVIEW_LEAST, EDITED_REVIEW_MARGIN + math.log2(max(texts, 1)))
