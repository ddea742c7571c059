"""The vocabulary: which spellings mean the same, which commands only lay out, which names are functions."""

from __future__ import annotations

from typing import Final

_FUNCTION_NAMES: Final = """
sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln log exp sqrt
"""
FUNCTIONS: Final = frozenset(_FUNCTION_NAMES.split())

_GREEK_LETTERS: Final = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "θ": "theta", "λ": "lambda",
    "μ": "mu", "ρ": "rho", "σ": "sigma", "τ": "tau", "φ": "phi", "ω": "omega", "ψ": "psi",
}  # fmt: skip
GREEK: Final = frozenset((*_GREEK_LETTERS.values(), "zeta", "eta", "kappa", "nu", "xi", "chi", "varphi"))

_LAYOUT_NAMES: Final = """
left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr displaystyle textstyle limits quad qquad
mathbf mathit mathsf boldsymbol bm operatorname
"""
LAYOUT: Final = frozenset(_LAYOUT_NAMES.split())
"""Commands that change how an answer looks and not what it says."""

ALIASES: Final = {
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "times": "*", "cdot": "*", "ast": "*", "div": "/",
    "leq": "le", "leqslant": "le", "geq": "ge", "geqslant": "ge", "lt": "<", "gt": ">", "neq": "ne",
    "lbrace": "\\{", "rbrace": "\\}", "lvert": "|", "rvert": "|", "vert": "|", "lparen": "(", "rparen": ")",
    "varnothing": "emptyset", "degrees": "degree", "percent": "%", "dollar": "\\$",
}  # fmt: skip

_SYMBOLS: Final = {
    "π": "\\pi ", "∞": "\\infty ", "√": "\\sqrt ", "×": "*", "·": "*", "⋅": "*", "÷": "/", "∕": "/", "⁄": "/",
    "−": "-", "–": "-", "±": "\\pm ", "≤": "\\le ", "≥": "\\ge ", "≠": "\\ne ", "∪": "\\cup ", "∩": "\\cap ",
    "∅": "\\emptyset ", "∈": "\\in ", "°": "\\degree ", "²": "^{2}", "³": "^{3}", "％": "\\%",
    "½": "\\frac{1}{2}", "⅓": "\\frac{1}{3}", "⅔": "\\frac{2}{3}", "¼": "\\frac{1}{4}", "¾": "\\frac{3}{4}",
}  # fmt: skip
_SPACES: Final = "\u00a0\u2002\u2003\u2005\u2009\u200a\u202f\u3000"
_INVISIBLE: Final = "\u200b\u200c\u200d\u2060\ufeff"

UNICODE: Final = str.maketrans(
    {letter: f"\\{name} " for letter, name in _GREEK_LETTERS.items()}
    | _SYMBOLS
    | dict.fromkeys(_SPACES, " ")
    | dict.fromkeys(_INVISIBLE, "")
    | {chr(0xFF10 + digit): str(digit) for digit in range(10)}
)
"""For `str.translate`. Direction marks and control characters are left in: they have no place in an answer."""

UNIT_ALIASES: Final = {
    "centimeter": "cm", "centimetre": "cm", "millimeter": "mm", "meter": "m", "metre": "m", "kilometer": "km",
    "inche": "inch", "in": "inch", "feet": "foot", "ft": "foot", "gram": "g", "kilogram": "kg", "hr": "hour",
    "min": "minute", "sec": "second", "s": "second", "h": "hour", "dollar": "$", "usd": "$", "unit": "",
    "mile": "mi",
}  # fmt: skip
"""Singular unit -> its normal name."""

_BARE_UNIT_NAMES: Final = """
cm mm km kg mg ml mi ft lb lbs oz hr hrs min mins sec secs mph kph in
"""
BARE_UNITS: Final = frozenset(_BARE_UNIT_NAMES.split())
r"""Short units that need no `\text{}`; other short words are read as products of variables."""

_NOT_UNIT_NAMES: Final = """
a about all almost an and any approximately around at but by dozen each either eight eleven else every
factorial few five four half hundred if is less many maybe million billion minus mod more most neither
nine no none nor not of off one or otherwise over pair pi plus quarter roughly root score seven six some
squared cubed than that then thousand third three times to twelve twenty two under unless up when where
with without zero
"""
NOT_UNITS: Final = frozenset(_NOT_UNIT_NAMES.split())
"""Words that change, hedge or join what stands before them; after a number they are no unit."""
