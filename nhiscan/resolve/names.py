"""Company names as people write them -> keys that are equal when the company is the same.

A register says "Müller Südwerke GmbH & Co. KG", a tag says `mueller-suedwerke`: both must meet, while
"Nordwind GmbH" and "Nordwind Inc" stay two companies for whoever writes the suffix.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NamedTuple

# Written without dots and spaces: "S.à r.l." is sarl, "Sp. z o.o." is spzoo.
_SUFFIX_WORDS: Final = (
    "ab ag aps as asa bhd bv bvba co company corp corporation cv dd doo ead ee eg eood eurl ev gbr ggmbh gmbh "
    "gk hf inc incorporated ik kft kg kgaa kk lda limited llc llp lp ltd ltda mbh nv oao ohg ooo ou oy oyj "
    "pjsc plc pllc pte pty pvt sa sarl sas sasu sca scrl sdn se sl slu snc spa sprl spzoo srl sro ug uab zrt "
    "aktiengesellschaft haftungsbeschrankt haftungsbeschraenkt kommanditgesellschaft"
)
_LEGAL_SUFFIXES: Final = frozenset(_SUFFIX_WORDS.split())
_LONGEST_SUFFIX_TOKENS: Final = 4  # S. à r. l.

_AND: Final = frozenset({"and", "und"})  # an ampersand vanishes with the punctuation
_SPELT_OUT: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
_UNMARKED: Final = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe"})
# Source: Unicode's confusables.txt (UTS #39): Greek and Cyrillic letters of which ours are the prototype.
_LATIN: Final = str.maketrans(
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧανορυιАВЕЅІЈКМНОРСТУХаеорсухіјѕԁһ‐‑‒–—−",  # noqa: RUF001 - that is what they are
    "ABEZHIKMNOPTYXavopuiABESIJKMHOPCTYXaeopcyxijsdh------",
)
_DIGITS: Final = str.maketrans("01i|", "olll")
_WORD: Final = re.compile(r"[^\W_]+")


class Keys(NamedTuple):
    """`full` keeps the legal suffix, `bare` does not; each holds one key a way to write umlauts."""

    full: frozenset[str]
    bare: frozenset[str]


def keys(text: str) -> Keys:
    """Both sets are empty for a text without a letter or digit."""
    full, bare = set(), set()
    for spelling in _spellings(text):
        words = [word for word in _WORD.findall(spelling) if word not in _AND]
        if words:
            full.add("".join(words))
            bare.add("".join(_without_suffixes(words)))
    return Keys(frozenset(full), frozenset(bare))


def latin(text: str) -> str:
    """Letters of other scripts that look like one of ours are ours here, as are all kinds of hyphens."""
    return unicodedata.normalize("NFKC", text).translate(_LATIN)


def look(text: str) -> str:
    """What a reader may take for the same is the same here, such as the ids `P-1` and `p-l`."""
    return latin(text).casefold().translate(_DIGITS)


def label(text: str) -> str:
    """The key of a tag's name, without a prefix such as `acme:` and without separators."""
    return re.sub(r"[^a-z0-9]", "", re.split(r"[:/.]", text)[-1].casefold())


def _spellings(text: str) -> set[str]:
    composed = unicodedata.normalize("NFC", text).casefold()
    return {_unmarked(composed), _unmarked(composed.translate(_SPELT_OUT))}


def _unmarked(text: str) -> str:
    parts = unicodedata.normalize("NFKD", text)
    return "".join(char for char in parts if not unicodedata.combining(char)).translate(_UNMARKED)


def _without_suffixes(words: list[str]) -> list[str]:
    """Never empty: a company called "SE" keeps its name."""
    while True:
        for count in range(min(_LONGEST_SUFFIX_TOKENS, len(words) - 1), 0, -1):
            if "".join(words[-count:]) in _LEGAL_SUFFIXES:
                words = words[:-count]
                break
        else:
            return words
