"""The vocabulary of units: names, sizes, plurals, and the words after a number that are not units."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from r1kit.rewards.math.tree import Unit

# One unit a line: names | size in base units | base units | SI prefixes that it takes.
# The first name takes the short prefixes and all others the long ones ("km", "kilometer").
_TABLE: Final = """
m, meter, metre | 1 | m | n u m c d k
in, inch | 0.0254 | m
ft, foot | 0.3048 | m
yd, yard | 0.9144 | m
mi, mile | 1609.344 | m
furlong | 201.168 | m
nmi, nautical mile | 1852 | m
ly, light year, lightyear | 9460730472580800 | m
acre | 4046.8564224 | m^2
ha, hectare | 10000 | m^2
L, liter, litre | 0.001 | m^3 | u m c d k
l | 0.001 | m^3 | u m c d k
cc | 0.000001 | m^3
gal, gallon | 0.003785411784 | m^3
qt, quart | 0.000946352946 | m^3
pt, pint | 0.000473176473 | m^3
cup | 0.0002365882365 | m^3
fl oz, fluid ounce, fluid oz | 0.0000295735295625 | m^3
tbsp, tablespoon | 0.00001478676478125 | m^3
tsp, teaspoon | 0.00000492892159375 | m^3
g, gram, gramme | 0.001 | kg | u m c k M
t, tonne, metric ton, metric tonne | 1000 | kg
lb | 0.45359237 | kg
ton, short ton | 907.18474 | kg
s, sec, second | 1 | s | n u m
min, minute | 60 | s
h, hr, hour | 3600 | s
day | 86400 | s
wk, week | 604800 | s
fortnight | 1209600 | s
mo, month | 1 | month
yr, year | 12 | month
decade | 120 | month
century | 1200 | month
mph | 0.44704 | m s^-1
kph, kmh, kmph | 5/18 | m s^-1
kn, knot | 463/900 | m s^-1
mpg | 1609.344/0.003785411784 | m^-2
rpm | 1/60 | revolution s^-1
bpm | 1/60 | beat s^-1
Hz, hertz | 1 | s^-1 | k M G
N, newton | 1 | kg m s^-2 | m k M
J, joule | 1 | kg m^2 s^-2 | m k M G
Nm | 1 | kg m^2 s^-2
Wh | 3600 | kg m^2 s^-2 | k M G
cal, calorie | 4.184 | kg m^2 s^-2 | k
eV | 0.0000000000000000001602176634 | kg m^2 s^-2 | k M G
W, watt | 1 | kg m^2 s^-3 | m k M G
hp, horsepower | 1 | horsepower
Pa, pascal | 1 | kg m^-1 s^-2 | h k M G
atm, atmosphere | 101325 | kg m^-1 s^-2
psi | 44482216152605/6451600000 | kg m^-1 s^-2
A, amp, ampere | 1 | A | u m k
V, volt | 1 | kg m^2 s^-3 A^-1 | u m k
ohm, Ω | 1 | kg m^2 s^-3 A^-2 | k M
coulomb | 1 | A s | u m
farad | 1 | kg^-1 m^-2 s^4 A^2 | u n
K, kelvin, degree kelvin, degree k | 1 | K
celsius, centigrade, degree celsius, degree centigrade, degree c | 1 | celsius
fahrenheit, degree fahrenheit, degree f | 1 | fahrenheit
mol, mole | 1 | mol | u m k
B, byte | 1 | byte | k M G T
KB | 1000 | byte
KiB, kibibyte | 1024 | byte
MiB, mebibyte | 1048576 | byte
GiB, gibibyte | 1073741824 | byte
b, bit | 1/8 | byte | k M G T
$, dollar, usd, buck, us dollar, us $ | 1 | dollar
¢, cent | 0.01 | dollar
€, euro, eur | 1 | euro
£, gbp, quid, sterling, pound sterling | 1 | sterling
pence | 0.01 | sterling
yen, jpy | 1 | yen
yuan, rmb, cny, renminbi | 1 | yuan
₹, rupee, inr, rs | 1 | rupee
peso | 1 | peso
degree | 1 | degree
percent | 1 | percent
pound | 1 | pound
oz, ounce | 1 | ounce
C | 1 | C
F | 1 | F
¥ | 1 | ¥
"""

_SHORT_PREFIXES: Final = {
    "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000), "c": Fraction(1, 100),
    "d": Fraction(1, 10), "h": Fraction(100), "k": Fraction(1000), "M": Fraction(10**6), "G": Fraction(10**9),
    "T": Fraction(10**12),
}  # fmt: skip
_LONG_PREFIXES: Final = {
    "n": "nano", "u": "micro", "m": "milli", "c": "centi", "d": "deci", "h": "hecto", "k": "kilo", "M": "mega",
    "G": "giga", "T": "tera",
}  # fmt: skip


def _names(name: str, prefix: str, *, is_symbol: bool) -> tuple[str, ...]:
    if not is_symbol:
        return (_LONG_PREFIXES[prefix] + name,)
    return (f"u{name}", f"μ{name}", f"µ{name}") if prefix == "u" else (prefix + name,)


def _powers(text: str) -> tuple[tuple[str, int], ...]:
    pairs = (base.partition("^") for base in text.split())
    return tuple(sorted((name, int(exponent or 1)) for name, _, exponent in pairs))


def _quotient(text: str) -> Fraction:
    top, _, bottom = text.partition("/")
    return Fraction(top) / Fraction(bottom or 1)


def _entries() -> Iterator[tuple[str, Unit]]:
    for line in _TABLE.strip().splitlines():
        names, size, bases, prefixes = (*(part.strip() for part in line.split("|")), "")[:4]
        scale, powers = _quotient(size), _powers(bases)
        for index, name in enumerate(names.split(", ")):
            yield name, Unit(powers, scale)
            for prefix in prefixes.split():
                unit = Unit(powers, scale * _SHORT_PREFIXES[prefix])
                yield from ((full, unit) for full in _names(name, prefix, is_symbol=index == 0))


UNITS: Final = dict(_entries())
"""Name -> unit, in the case that the name is written in, singular."""

_NAMELESS: Final = """
arrangement case combination count item method number object option outcome permutation piece possibility
radian rad thing time unit value way
"""
UNITS.update(dict.fromkeys(_NAMELESS.split(), Unit((), Fraction(1))))

AMBIGUOUS: Final = {
    "pound": (UNITS["lb"], UNITS["£"]),
    "ounce": (Unit((("kg", 1),), UNITS["lb"].scale / 16), UNITS["fl oz"]),
    "C": (UNITS["celsius"], UNITS["coulomb"]),
    "F": (UNITS["fahrenheit"], UNITS["farad"]),
    "¥": (UNITS["yen"], UNITS["yuan"]),
}
"""Base units that stand for either of two; the unit on the other side tells which."""

MONEY: Final = frozenset(("dollar", "euro", "sterling", "yen", "yuan", "rupee", "peso", "pound", "¥"))

MEASURED: Final = frozenset(name for unit in UNITS.values() for name, _ in unit.powers) - {
    "revolution",
    "beat",
}
"""Base units that measure; every other one counts things."""

_FOLDED: Final[dict[str, set[Unit]]] = {}
for _name, _unit in UNITS.items():
    if len(_name) > 1:
        _FOLDED.setdefault(_name.lower(), set()).add(_unit)

_IRREGULAR: Final = {
    "feet": "foot", "people": "person", "persons": "person", "children": "child", "men": "man", "women": "woman",
    "mice": "mouse", "geese": "goose", "teeth": "tooth", "oxen": "ox", "dice": "die", "loaves": "loaf",
    "leaves": "leaf", "knives": "knife", "shelves": "shelf", "wolves": "wolf", "calves": "calf",
    "vertices": "vertex", "matrices": "matrix", "radii": "radius", "buses": "bus", "gases": "gas",
    "lenses": "lens", "bonuses": "bonus", "quizzes": "quiz", "gas": "gas", "lens": "lens",
    "series": "series", "species": "species", "rs": "rs",
}  # fmt: skip
_KEEP_E_NAMES: Final = """
birdie brownie calorie canoe cookie doe foe genie hoe hoodie kilocalorie movie oboe pie rookie selfie shoe smoothie
tie toe veggie zombie
"""
_KEEP_E: Final = frozenset(_KEEP_E_NAMES.split())


def singular(word: str) -> str:
    """The singular of an English noun in lower case; a word that is no plural comes back as it is."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word[:-1] in _KEEP_E:
        return word[:-1]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("sses", "xes", "ches", "shes", "oes")) else word[:-1]


def known_unit(name: str) -> Unit | None:
    """The unit of this name in singular or plural, None for an unknown name or one that only its case would tell.

    The exact case comes first ("mW" and "MW" differ, "MG" is neither mg nor Mg); a single letter has no other.
    """
    if name in UNITS:
        return UNITS[name]
    lower = name.lower()
    found = _FOLDED.get(lower) or _FOLDED.get(singular(lower), set())
    return next(iter(found)) if len(found) == 1 else None


_NUMBER_NAMES: Final = """
one two three four five seven eight nine ten eleven twelve thirteen fifteen twenty thirty forty fifty sixty
seventy eighty ninety hundred thousand million billion trillion dozen third fourth fifth sixth seventh eighth
ninth tenth hundredth thousandth
"""
_OTHER_NOT_UNITS: Final = """
six sixes zero nil half halves score couple gross grand lakh lakhs crore crores double doubled triple tripled twice
halved base binary octal hex hexadecimal repeating recurring rounded nearest estimated thereabouts upwards ballpark
give undefined unknown guess opposite mistaken negatives inverted bad rejected error errors even odd mega giga mill th ths complement prime teens kilo nope untrue uncertain lower higher larger smaller shorter longer short conjugate conjugates
factorials permille promille mille cent basis percentage percentages fold mio thou doz myriad
myriads googol hopefully unsure depending depends reciprocal inverse
about above after all almost and any approx approximately around are as at because before below between both but by
certainly choose circa cos cot csc either else equal equals except exp factorial false few
fewer following greater if incorrect infinity is isn't ish itself least less likely ln log many max maximum maybe
minimum minus mod modulo modulus more most nearly negative neither no none nor not off or otherwise
out over past perhaps pi plus possibly probably remainder root roughly several sin since so some sqrt sum
tan than that then to under unless until up versus what when where whether which while with without wrong
"""
_NUMBER_WORDS: Final = frozenset(_NUMBER_NAMES.split())
NOT_UNITS: Final = (
    _NUMBER_WORDS | {f"{name}s" for name in _NUMBER_WORDS} | frozenset(_OTHER_NOT_UNITS.split())
)
"""Words that change, hedge, join or end what stands before them; after a number they are no unit."""

_QUALIFIER_NAMES: Final = """
ago altogether apart apiece away deep early earlier exactly high late later left long old only overall remaining tall the
thick total wide
"""
QUALIFIERS: Final = frozenset(_QUALIFIER_NAMES.split()) | {"in all", "in total"}
"""Words beside a unit that add nothing to it."""

_BARE_NAMES: Final = """
cm mm km kg mg ml mL mi in ft yd lb lbs oz gal hr hrs min mins sec secs day days yr yrs mph kph rpm psi mpg mol cal
cup cups ton tons yen usd bit bits Hz kHz kPa kW kWh kJ € £ ¥ ₹ ¢ square sq cubic per
"""
BARE: Final = frozenset(_BARE_NAMES.split())
r"""Short unit words, and those that a unit may begin with, that are read as such without `\text{}`."""
