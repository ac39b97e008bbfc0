"""Numbers that pass every check and belong to nobody in particular: identity, mobile, card, credit code."""

# ruff: noqa: SIM905  word lists are easier to read and to extend as text

from datetime import date, timedelta
from typing import Final

from shared.testing.city.spread import Spread
from shared.values import bank_card, credit_code, identity_number
from shared.values.identity_number import IdentityKind

# Where residents' numbers come from: today's districts, retired ones that old numbers still carry, other provinces.
RESIDENT_AREAS: Final = tuple(
    "310101 310104 310105 310106 310107 310109 310110 310112 310113 310114 310115 310116 310117 310118 310120 310151 "
    "310103 310108 310119 310225 310226 310230 "
    "110105 120101 130102 140105 150102 210102 220102 230103 320102 320586 330106 340104 350203 360102 370202 410105 "
    "420106 430102 440305 450103 460105 500103 510104 520102 530102 540102 610113 620102 630102 640104 650102".split()
)
_HMT_AREAS: Final = ("810000", "820000", "830000")
_ISSUERS: Final = ("11", "31", "32", "33", "44")
_NATIONALITIES: Final = (
    "036",
    "056",
    "076",
    "124",
    "554",
    "250",
    "276",
    "380",
    "392",
    "410",
    "528",
    "702",
    "826",
    "840",
)
_OLD_NATIONALITIES: Final = ("AUS", "BEL", "BRA", "CAN", "DEU", "ESP", "FRA", "GBR", "ITA", "JPN", "NLD", "SGP", "USA")
_FIRST_BIRTH: Final = date(1962, 1, 1)
_BIRTH_DAYS: Final = (date(2003, 7, 1) - _FIRST_BIRTH).days
_SEQUENCES: Final = 999

_MOBILE_PREFIXES: Final = (
    "130 131 132 135 136 137 138 139 150 151 152 155 156 157 158 159 166 176 177 178 180 181 182 183 185 186 187 188 "
    "189 191 198 199"
).split()

# What a national organisation code may hold after "MA" (GB 11714, and only signs that GB 32100 has).
_ORGANISATION_SIGNS: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_ORGANISATION_WEIGHTS: Final = (3, 7, 9, 10, 5, 8, 4, 2)


class Numbers:
    """Valid numbers by ordinal; one seed never gives two ordinals the same number (of one card issuer, or one area)."""

    def __init__(self, seed: int) -> None:
        births = (_BIRTH_DAYS, _SEQUENCES)
        self._identity_sizes: dict[IdentityKind, tuple[int, ...]] = {
            IdentityKind.RESIDENT: (len(RESIDENT_AREAS), *births),
            IdentityKind.HMT_RESIDENT: (len(_HMT_AREAS), *births),
            IdentityKind.FOREIGN_PERMANENT: (len(_ISSUERS), len(_NATIONALITIES), *births),
            IdentityKind.FOREIGN_PERMANENT_OLD: (len(_ISSUERS), len(_OLD_NATIONALITIES), _BIRTH_DAYS, 100),
        }
        self._identity = {kind: Spread(seed, kind, _product(sizes)) for kind, sizes in self._identity_sizes.items()}
        self._mobile = Spread(seed, "mobile", len(_MOBILE_PREFIXES) * 10**8)
        self._card = Spread(seed, "card", 10**12)
        self._organisation = Spread(seed, "organisation", len(_ORGANISATION_SIGNS) ** 6)

    def identity(self, kind: IdentityKind, ordinal: int) -> tuple[str, date]:
        """A valid identity number of that kind and the birth date in it (the old foreigners' form shows six digits)."""
        *heads, day, sequence = self._identity[kind].parts(ordinal, *self._identity_sizes[kind])
        birth = _FIRST_BIRTH + timedelta(days=day)
        match kind:
            case IdentityKind.RESIDENT:
                area = RESIDENT_AREAS[heads[0]]
            case IdentityKind.HMT_RESIDENT:
                area = _HMT_AREAS[heads[0]]
            case IdentityKind.FOREIGN_PERMANENT:
                area = f"9{_ISSUERS[heads[0]]}{_NATIONALITIES[heads[1]]}"
            case IdentityKind.FOREIGN_PERMANENT_OLD:
                issuer, nationality = _ISSUERS[heads[0]], _OLD_NATIONALITIES[heads[1]]
                return f"{nationality}{issuer}00{birth:%y%m%d}{sequence:02d}", birth
        first_17 = f"{area}{birth:%Y%m%d}{sequence + 1:03d}"
        return first_17 + identity_number.check_sign(first_17), birth

    def mobile(self, ordinal: int) -> str:
        """A valid mainland mobile number."""
        prefix, rest = self._mobile.parts(ordinal, len(_MOBILE_PREFIXES), 10**8)
        return f"{_MOBILE_PREFIXES[prefix]}{rest:08d}"

    def card(self, issuer: str, ordinal: int) -> str:
        """A valid 19-digit card number that begins with the six digits of `issuer`."""
        payload = f"{issuer}{self._card.place(ordinal):012d}"
        return payload + bank_card.luhn_digit(payload)

    def credit_code(self, area: str, ordinal: int, kind: str = "91") -> str:
        """A valid unified social credit code registered in `area`, with a valid organisation code inside."""
        signs = self._organisation.parts(ordinal, *(len(_ORGANISATION_SIGNS),) * 6)
        body = "MA" + "".join(_ORGANISATION_SIGNS[n] for n in signs)
        first_17 = f"{kind}{area}{body}{_organisation_check(body)}"
        return first_17 + credit_code.check_sign(first_17)


def _organisation_check(body: str) -> str:
    remainder = 11 - sum(int(s, 36) * w for s, w in zip(body, _ORGANISATION_WEIGHTS, strict=True)) % 11
    return "X" if remainder == 10 else str(remainder % 11)


def _product(sizes: tuple[int, ...]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product
