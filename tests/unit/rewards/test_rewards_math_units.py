"""Units read from the words after a number, and the factors between them, against values worked out by hand."""

from fractions import Fraction

import pytest

from r1kit.rewards.math.reading.unit_table import singular
from r1kit.rewards.math.reading.units import conversion_factor, is_bare_unit, parse_unit
from r1kit.rewards.math.tree import AnswerError, Unit


def unit(text: str) -> Unit | None:
    return parse_unit(text.split())


READ = [
    ("m", "m", "1"), ("cm", "m", "1/100"), ("Km", "m", "1000"), ("nm", "m", "1/1000000000"), ("μm", "m", "1/1000000"),
    ("metres", "m", "1"), ("inches", "m", "127/5000"), ("in", "m", "127/5000"), ("feet", "m", "381/1250"),
    ("yd", "m", "1143/1250"), ("Miles", "m", "201168/125"), ("nautical miles", "m", "1852"),
    ("light years", "m", "9460730472580800"), ("ft tall", "m", "381/1250"), ("meters away", "m", "1"),
    ("cm ^ 2", "m^2", "1/10000"), ("square inches", "m^2", "16129/25000000"), ("sq ft", "m^2", "145161/1562500"),
    ("cubic centimeters", "m^3", "1/1000000"), ("m squared", "m^2", "1"), ("feet cubed", "m^3", "55306341/1953125000"),
    ("m ^ - 2", "m^-2", "1"), ("m ^ -2", "m^-2", "1"), ("inches ^ 2", "m^2", "16129/25000000"),
    ("sq in", "m^2", "16129/25000000"), ("acres", "m^2", "316160658/78125"), ("hectares", "m^2", "10000"),
    ("L", "m^3", "1/1000"), ("ML", "m^3", "1/1000000"), ("mL", "m^3", "1/1000000"), ("litres of water", "m^3", "1/1000"),
    ("g", "kg", "1/1000"), ("mg", "kg", "1/1000000"), ("Mg", "kg", "1000"), ("KGS", "kg", "1"), ("tonnes", "kg", "1000"),
    ("lbs", "kg", "45359237/100000000"), ("metric tons", "kg", "1000"), ("tons", "kg", "45359237/50000"),
    ("s", "s", "1"), ("ms", "s", "1/1000"), ("mins", "s", "60"), ("hrs", "s", "3600"), ("days", "s", "86400"),
    ("Weeks", "s", "604800"), ("months", "month", "1"), ("years old", "month", "12"), ("decades", "month", "120"),
    ("centuries", "month", "1200"), ("hour ( s )", "s", "3600"),
    ("m / s", "m s^-1", "1"), ("meters per second", "m s^-1", "1"), ("km / h", "m s^-1", "5/18"), ("kph", "m s^-1", "5/18"),
    ("miles per hour", "m s^-1", "1397/3125"), ("MPH", "m s^-1", "1397/3125"), ("knots", "m s^-1", "463/900"),
    ("m / s / s", "m s^-2", "1"), ("m / ( s ^ 2 )", "m s^-2", "1"), ("m s ^ -1", "m s^-1", "1"), ("per hour", "s^-1", "1/3600"),
    ("kg * m / s ^ 2", "kg m s^-2", "1"), ("N", "kg m s^-2", "1"), ("newton meters", "kg m^2 s^-2", "1"),
    ("J / ( kg * K )", "K^-1 m^2 s^-2", "1"), ("J / kg * K", "K m^2 s^-2", "1"), ("( m / s ) ^ 2", "m^2 s^-2", "1"),
    ("kilowatt hours", "kg m^2 s^-2", "3600000"), ("kilowatt - hours", "kg m^2 s^-2", "3600000"), ("kWh", "kg m^2 s^-2", "3600000"),
    ("Hz", "s^-1", "1"), ("MW", "kg m^2 s^-3", "1000000"), ("mW", "kg m^2 s^-3", "1/1000"), ("kPa", "kg m^-1 s^-2", "1000"),
    ("kcal", "kg m^2 s^-2", "4184"), ("kilocalories", "kg m^2 s^-2", "4184"), ("ft lb", "kg m", "17281869297/125000000000"), ("ohms", "A^-2 kg m^2 s^-3", "1"),
    ("degrees Celsius", "celsius", "1"), ("Fahrenheit", "fahrenheit", "1"), ("degrees F", "fahrenheit", "1"), ("kelvins", "K", "1"),
    ("degrees per second", "degree s^-1", "1"), ("radians per second", "s^-1", "1"), ("rpm", "revolution s^-1", "1/60"),
    ("$", "dollar", "1"), ("dollars", "dollar", "1"), ("$ dollars", "dollar", "1"), ("US dollars", "dollar", "1"),
    ("cents", "dollar", "1/100"), ("euros", "euro", "1"), ("£", "sterling", "1"), ("rupees", "rupee", "1"),
    ("dollars profit", "dollar", "1"), ("dollars each", "dollar", "1"), ("dollars each day", "dollar s^-1", "1/86400"),
    ("dollars a day", "dollar s^-1", "1/86400"), ("$ / hour", "dollar s^-1", "1/3600"), ("every day", "s^-1", "1/86400"),
    ("pennies", "penny", "1"), ("quarters", "quarter", "1"), ("kB", "byte", "1000"), ("KiB", "byte", "1024"), ("Mb", "byte", "125000"),
    ("apples", "apple", "1"), ("Red marbles", "marble", "1"), ("people", "person", "1"), ("children left", "child", "1"),
    ("boxes of apples", "box", "1"), ("apples in total", "apple", "1"), ("apples in all", "apple", "1"), ("apple ( s )", "apple", "1"),
    ("square tiles", "tile", "1"), ("apples each", "apple", "1"), ("people per square mile", "m^-2 person", "15625/40468564224"),
    ("grams of salt per liter", "kg m^-3", "1"), ("km ^ 2", "m^2", "1000000"),
]  # fmt: skip

NO_UNIT = [
    "", "units", "square units", "cubic units", "units ^ 2", "radians", "ways", "different ways", "pieces of cake", "in total",
    "in all", "total", "left in the box", "times", "m / m",
]  # fmt: skip

REFUSED = [
    "hundred", "thousand", "Million", "dozen", "dozen eggs", "half", "halves", "thirds", "or so", "or", "apples and oranges",
    "to", "at most", "cm at least", "approximately", "not", "mod", "twenty", "fives", "tens", "apples or pears", "m ish", "more apples", "grand", "doubled", "binary", "repeating", "couple",
    "times three", "squared", "cubed cm", "square", "cm /", "/", "* cm", "per", "cm ^", "cm ^ 0", "cm ^ 12", "cm ^ x", "cm ^ ٢", "cm 2", "12",
    "-", "cm -", "of them", "for lunch", "liters of 3", "( cm", "cm )", "( ( cm ) )", "( )", "degrees", "percent", "%", "x", "ab", "x y",
    "k", "MG", "mw", "$ cents", "$ euros", "one two three", "very big and heavy old boxes", "big round shiny heavy old boxes",
    "a" * 31, "under", "pi", "minus", "infinity", "sin", "\u200bcm", "__import__", "( " * 30 + "cm", "m " * 6, "cm @", "( m ) ^ - 2 * " * 4 + "m",
]  # fmt: skip

FACTORS = [
    ("m", "km", "1000"), ("km", "m", "1/1000"), ("minutes", "hour", "60"), ("hour", "minutes", "1/60"), ("years", "months", "1/12"),
    ("ft", "yards", "3"), ("feet", "inches", "1/12"), ("miles", "feet", "1/5280"), ("gallons", "quarts", "1/4"), ("cups", "tbsp", "1/16"),
    ("tsp", "tbsp", "3"), ("mph", "miles per hour", "1"), ("m / s", "km / h", "5/18"), ("L", "cubic cm", "1/1000"), ("mL", "cc", "1"),
    ("square feet", "square yards", "9"), ("acre", "square feet", "1/43560"), ("J", "N * m", "1"), ("J", "kWh", "3600000"),
    ("dollars", "cents", "1/100"), ("$", "dollars", "1"), ("Hz", "rpm", "1/60"), ("feet per second", "mph", "22/15"), ("oz", "lb", "16"),
    ("pound", "lb", "1"), ("lbs", "pounds", "1"), ("pounds", "£", "1"), ("pounds", "pounds", "1"), ("pounds", "ounces", "1/16"),
    ("fl oz", "oz", "1"), ("ounces", "cup", "8"), ("gal", "oz", "1/128"), ("C", "degrees Celsius", "1"), ("¥", "yuan", "1"), ("C", "coulombs", "1"),
    ("tons", "pounds", "1/2000"), ("$ / lb", "dollars per pound", "1"), ("nautical miles per hour", "knots", "1"),
    ("psi", "Pa", "6451600000/44482216152605"), ("mpg", "miles per gallon", "1"), ("bytes", "bits", "1/8"),
    ("apples", "apple", "1"), ("red marbles", "marbles", "1"), ("cookie", "cookies", "1"), ("women", "woman", "1"),
    ("cm", "", "1"), ("", "cm", "1"), ("", "", "1"), ("apples", "", "1"), ("$", "dollars per person", "1"), ("words per minute", "per minute", "1"),
]  # fmt: skip

CONTRADICTIONS = [
    ("cm", "cm ^ 2"), ("apples", "oranges"), ("dollars", "euros"), ("dollars", "dollars per hour"), ("miles", "miles per hour"),
    ("kg", "m"), ("kg", "£"), ("celsius", "fahrenheit"), ("degrees Celsius", "K"), ("hours", "dollars"), ("m", "s"),
    ("apples", "cm"), ("m / s", "s / m"), ("days", "months"), ("pounds", "meters"), ("boys", "girls"), ("pennies", "dimes"),
    ("apples per box", "apples per day"), ("fl oz", "lb"),
]  # fmt: skip

BARE = [
    "cm", "mm", "km", "kg", "mg", "mL", "ft", "lb", "lbs", "hr", "hrs", "min", "sec", "mph", "in", "Miles", "meters", "HOURS", "inches",
    "dollars", "minutes", "square", "cubic", "sq", "per", "units", "litres", "ways", "acres", "gallons", "days", "cups", "€", "kWh",
]  # fmt: skip
NOT_BARE = [
    "m", "s", "g", "h", "A", "L", "N", "J", "nm", "pt", "ms", "CM", "MB", "squared", "apples", "hundred", "x", "xy", "abcd", "sqrt", "",
]  # fmt: skip

PLURALS = [
    ("boxes", "box"), ("cities", "city"), ("pennies", "penny"), ("buses", "bus"), ("houses", "house"), ("potatoes", "potato"),
    ("shoes", "shoe"), ("pies", "pie"), ("movies", "movie"), ("glasses", "glass"), ("glass", "glass"), ("watches", "watch"),
    ("dishes", "dish"), ("prizes", "prize"), ("feet", "foot"), ("lens", "lens"), ("celsius", "celsius"), ("tennis", "tennis"),
    ("loaves", "loaf"), ("series", "series"), ("trees", "tree"), ("quizzes", "quiz"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "powers", "scale"), READ)
def test_a_unit_has_the_powers_and_the_size_worked_out_by_hand(text: str, powers: str, scale: str) -> None:
    pairs = (power.partition("^") for power in powers.split())
    expected = tuple((name, int(exponent or 1)) for name, _, exponent in pairs)
    assert unit(text) == Unit(expected, Fraction(scale))


@pytest.mark.parametrize("text", NO_UNIT)
def test_words_that_name_no_unit_leave_a_bare_number(text: str) -> None:
    assert unit(text) is None


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:20])
def test_words_that_change_hedge_or_join_the_number_are_refused(text: str) -> None:
    with pytest.raises(AnswerError):
        unit(text)


@pytest.mark.parametrize(("gold", "answer", "factor"), FACTORS)
def test_a_value_converts_by_the_exact_factor(gold: str, answer: str, factor: str) -> None:
    assert conversion_factor(unit(gold), unit(answer)) == Fraction(factor)


@pytest.mark.parametrize(("gold", "answer"), CONTRADICTIONS)
def test_units_of_different_things_contradict_both_ways(gold: str, answer: str) -> None:
    assert conversion_factor(unit(gold), unit(answer)) is None
    assert conversion_factor(unit(answer), unit(gold)) is None


@pytest.mark.parametrize(("gold", "answer", "factor"), FACTORS)
def test_converting_back_is_the_inverse(gold: str, answer: str, factor: str) -> None:
    assert conversion_factor(unit(answer), unit(gold)) == 1 / Fraction(factor)


@pytest.mark.parametrize("word", BARE)
def test_a_known_unit_word_needs_no_text_command(word: str) -> None:
    assert is_bare_unit(word)


@pytest.mark.parametrize("word", NOT_BARE)
def test_what_may_be_a_product_of_variables_is_no_bare_unit(word: str) -> None:
    assert not is_bare_unit(word)


@pytest.mark.parametrize(("plural", "expected"), PLURALS)
def test_a_plural_has_the_singular_of_a_dictionary(plural: str, expected: str) -> None:
    assert singular(plural) == expected


def test_every_bare_unit_of_the_list_is_read_without_error() -> None:
    for word in BARE:
        if word not in ("square", "cubic", "sq", "per", "units", "ways"):
            assert unit(word) is not None
