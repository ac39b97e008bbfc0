"""Operation ids by one rule, from the address and the endpoint's name; a client's method names are made of them.

`GET /v1/claims` is `listClaims`, `GET /v1/claims/{id}` `getClaim`, `POST /v1/claims` by `submit` is `submitClaim`,
`POST /v1/claims/{id}:withdraw` is `withdrawClaim`. A route whose name would mislead gives its own `operation_id`.
"""

import re

VERSION = "v1"


def operation_id(method: str, path: str, endpoint: str) -> str:
    """The id of an operation; `endpoint` is the name of the function that carries it out."""
    body, _, verb = path.rpartition(":") if ":" in path else (path, "", "")
    segments = [segment for segment in body.split("/") if segment and segment != VERSION]
    nouns = [segment for segment in segments if not segment.startswith("{")]
    of_one = segments[-1].startswith("{")
    if verb:
        return _camel(verb) + _noun(nouns, one=of_one)
    if method == "get":
        plural = not of_one and _singular(nouns[-1]) != nouns[-1]
        return ("list" if plural else "get") + _noun(nouns, one=not plural)
    acts_on_one = len(segments) > len(nouns)
    return endpoint.split("_")[0] + _noun(nouns[:-1] if acts_on_one and len(nouns) > 1 else nouns, one=True)


def _noun(nouns: list[str], *, one: bool) -> str:
    *owners, last = nouns
    words = [*map(_singular, owners), _singular(last) if one else last]
    return "".join(_camel(word, capital=True) for word in words)


def _singular(word: str) -> str:
    if word.endswith(("ss", "us")):
        return word
    for plural, singular in (("ies", "y"), ("ches", "ch"), ("s", "")):
        if word.endswith(plural):
            return word.removesuffix(plural) + singular
    return word


def _camel(text: str, *, capital: bool = False) -> str:
    first, *others = [part for part in re.split(r"[-_.]", text) if part]
    head = first[:1].upper() + first[1:] if capital else first
    return head + "".join(part.capitalize() for part in others)
