"""The vocabulary: which spellings mean the same, which commands only lay out, which names are functions."""

from __future__ import annotations

from typing import Final

_FUNCTION_NAMES: Final = """
sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh coth sech csch arsinh arcosh
artanh ln exp
"""
FUNCTIONS: Final = frozenset(_FUNCTION_NAMES.split())
"""Functions of one number."""

FUNCTION_ALIASES: Final = {
    "tg": "tan", "ctg": "cot", "cosec": "csc", "asin": "arcsin", "acos": "arccos", "atan": "arctan",
    "arctg": "arctan", "arcsinh": "arsinh", "arccosh": "arcosh", "arctanh": "artanh",
    "asinh": "arsinh", "acosh": "arcosh", "atanh": "artanh", "lg": "log10",
}  # fmt: skip
CALLS: Final = frozenset(("gcd", "lcm", "min", "max", "floor", "ceil", "abs", "sqrt", "cbrt", "binom"))
"""Names that are written with their arguments in brackets."""
CALL_ALIASES: Final = {"ceiling": "ceil", "comb": "binom", "nCr": "binom"}

_GREEK_LETTERS: Final = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "θ": "theta", "λ": "lambda",
    "μ": "mu", "ρ": "rho", "σ": "sigma", "τ": "tau", "φ": "phi", "ω": "omega", "ψ": "psi", "ζ": "zeta",
    "η": "eta", "κ": "kappa", "ν": "nu", "ξ": "xi", "χ": "chi", "ϕ": "phi", "ϵ": "epsilon",
    "Γ": "Gamma", "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
}  # fmt: skip
GREEK: Final = frozenset(_GREEK_LETTERS.values())

_LAYOUT_NAMES: Final = """
big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr displaystyle textstyle scriptstyle limits
nolimits quad qquad mathbf mathit mathsf mathtt boldsymbol bm bf rm it cal mathop mathclose mathopen mathord
thinspace enspace space hfill nonumber allowbreak strut ensuremath
"""
LAYOUT: Final = frozenset(_LAYOUT_NAMES.split())
"""Commands that change how an answer looks and not what it says."""

ALIASES: Final = {
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "dbinom": "binom", "tbinom": "binom",
    "times": "*", "cdot": "*", "ast": "*", "bullet": "*", "div": "/", "slash": "/",
    "leq": "<=", "le": "<=", "leqslant": "<=", "leqq": "<=", "geq": ">=", "ge": ">=", "geqslant": ">=", "geqq": ">=",
    "lt": "<", "gt": ">", "neq": "!=", "ne": "!=",
    "lbrace": "\\{", "rbrace": "\\}", "lvert": "|", "rvert": "|", "vert": "|", "lbrack": "[", "rbrack": "]",
    "lparen": "(", "rparen": ")", "colon": ":",
    "varnothing": "emptyset", "degrees": "degree", "percent": "%", "bigcup": "cup",
    "smallsetminus": "setminus", "backslash": "setminus", "land": "and", "wedge": "and", "lor": "or", "vee": "or",
    "infin": "infty", "simeq": "approx", "doteq": "approx", "thickapprox": "approx",
    "varphi": "phi", "vartheta": "theta", "varepsilon": "epsilon", "varrho": "rho", "varsigma": "sigma",
    "bar": "overline", "dots": "ldots", "cdots": "ldots", "dotsc": "ldots", "iint": "int",

}  # fmt: skip

_SYMBOLS: Final = {
    "π": "\\pi ", "∞": "\\infty ", "√": "\\sqrt ", "∛": "\\cbrt ", "×": "*", "·": "*", "⋅": "*", "∙": "*", "•": "*",
    "÷": "/", "∕": "/", "⁄": "/", "−": "-", "–": "-", "‐": "-", "‑": "-", "﹣": "-", "±": "\\pm ", "∓": "\\mp ",
    "≤": "<=", "≦": "<=", "⩽": "<=", "≥": ">=", "≧": ">=", "⩾": ">=", "≠": "!=", "≈": "\\approx ", "≡": "\\equiv ", "∪": "\\cup ",
    "∩": "\\cap ", "∖": "\\setminus ", "∅": "\\emptyset ", "∈": "\\in ", "°": "\\degree ", "º": "\\degree ",
    "∧": "\\land ", "∨": "\\lor ", "∣": "|", "⟨": "\\langle ", "⟩": "\\rangle ", "⌊": "\\lfloor ",
    "⌋": "\\rfloor ", "⌈": "\\lceil ", "⌉": "\\rceil ", "∠": "\\angle ", "∑": "\\sum ", "∏": "\\prod ", "∫": "\\int ",
    "ℝ": "\\mathbb{R}", "ℤ": "\\mathbb{Z}", "ℚ": "\\mathbb{Q}", "ℕ": "\\mathbb{N}", "ℂ": "\\mathbb{C}",
    "％": "\\%", "＄": "\\dollar ", "€": "\\euro ", "£": "\\pounds ", "¥": "\\yen ", "￥": "\\yen ", "¢": " cents ",
    "、": ",", "，": ",", "；": ";", "：": ":", "（": "(", "）": ")", "．": ".", "“": '"', "”": '"',
    "½": "\\frac{1}{2}", "⅓": "\\frac{1}{3}", "⅔": "\\frac{2}{3}", "¼": "\\frac{1}{4}", "¾": "\\frac{3}{4}",
    "⅕": "\\frac{1}{5}", "⅖": "\\frac{2}{5}", "⅗": "\\frac{3}{5}", "⅘": "\\frac{4}{5}", "⅙": "\\frac{1}{6}",
    "⅚": "\\frac{5}{6}", "⅛": "\\frac{1}{8}", "⅜": "\\frac{3}{8}", "⅝": "\\frac{5}{8}", "⅞": "\\frac{7}{8}",
    "⅐": "\\frac{1}{7}", "⅑": "\\frac{1}{9}", "⅒": "\\frac{1}{10}",
}  # fmt: skip
_SPACES: Final = "\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000\u2028\u2029\u0085"
_INVISIBLE: Final = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff"

UNICODE: Final = str.maketrans(
    {letter: f"\\{name} " for letter, name in _GREEK_LETTERS.items()}
    | _SYMBOLS
    | dict.fromkeys(_SPACES, " ")
    | dict.fromkeys(_INVISIBLE, "")
)
"""For `str.translate`. Control characters are left in: they have no place in an answer."""

SUPERSCRIPTS: Final = {
    **{char: str(digit) for digit, char in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    "⁺": "+", "⁻": "-", "⁽": "(", "⁾": ")", "ⁿ": "n", "ⁱ": "i", "ˣ": "x",
}  # fmt: skip
SUBSCRIPTS: Final = {char: str(digit) for digit, char in enumerate("₀₁₂₃₄₅₆₇₈₉")}

CURRENCIES: Final = {"dollar": "$", "euro": "euro", "pounds": "pound", "yen": "yen"}
"""Command before an amount -> the unit."""

NUMERALS: Final = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "sixteen": 16,
}  # fmt: skip
"""The names of bases: 1011_{two}."""

CONNECTORS: Final = {
    "and": "AND", "or": "OR", "或": "OR", "或者": "OR", "和": "AND", "与": "AND", "且": "AND", "及": "AND",
}  # fmt: skip
"""Words between answers, as the grammar knows them."""

ARTICLES: Final = frozenset(("a", "an", "the"))

PHRASES: Final = {
    ("all", "real", "numbers"): "reals", ("all", "reals"): "reals", ("all", "real", "number"): "reals",
    ("any", "real", "number"): "reals", ("real", "numbers"): "reals", ("reals",): "reals",
    ("set", "of", "all", "real", "numbers"): "reals", ("set", "of", "real", "numbers"): "reals",
    ("all", "real", "values"): "reals", ("every", "real", "number"): "reals",
    ("no", "solution"): "nothing", ("no", "solutions"): "nothing", ("no", "real", "solution"): "nothing",
    ("no", "real", "solutions"): "nothing", ("empty", "set"): "nothing", ("no", "such", "values"): "nothing",
    ("there", "is", "no", "solution"): "nothing", ("there", "are", "no", "solutions"): "nothing",
    ("no", "real", "roots"): "nothing", ("no", "roots"): "nothing", ("无解",): "nothing",
    ("infinity",): "infinity", ("positive", "infinity"): "infinity", ("infinite",): "infinity",
    ("negative", "infinity"): "minus infinity", ("minus", "infinity"): "minus infinity",
}  # fmt: skip
"""Words that say something else: the set of all real numbers, the empty set, infinity."""

SYNONYMS: Final = {
    ("dne",): ("does", "not", "exist"), ("doesn't", "exist"): ("does", "not", "exist"),
    ("limit", "does", "not", "exist"): ("does", "not", "exist"),
    ("infinitely", "many", "solutions"): ("infinitely", "many"), ("infinite", "solutions"): ("infinitely", "many"),
    ("infinitely", "many", "values"): ("infinitely", "many"),
    ("not", "defined"): ("undefined",), ("is", "undefined"): ("undefined",), ("undef",): ("undefined",),
    ("是",): ("yes",), ("否",): ("no",),
}  # fmt: skip
