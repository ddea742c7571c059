"""Level 3: texts that are taken apart or built by rules."""

from __future__ import annotations

import re

from authoring import call, function_task


@function_task(
    3,
    shown=[(call("3a2b"), "aaabb"), (call("x12y"), "xyyyyyyyyyyyy"), (call(""), "")],
    hidden=[call("a"), call("abc"), call("1a1b"), call("10z"), call("2a0bc"), call("4 2-"), call("100q")],
)
def unpack(packed: str) -> str:
    """Write out a packed text: characters that are no digits, each with or without a number before it.

    A number says how many times the character right after it is written; it may have several digits and may
    be 0. A character without a number is written once. The packed text never ends with a digit.
    """
    text = ""
    number = ""
    for character in packed:
        if character in "0123456789":
            number += character
        else:
            text += character * int(number or 1)
            number = ""
    return text


unpack.other_way(lambda packed: re.sub(r"(\d*)(\D)", lambda found: found[2] * int(found[1] or 1), packed))


@function_task(
    3,
    shown=[(call("(a[b]c)"), -1), (call("(a]b"), 2), (call("([)"), 2), (call("a(b(c)"), 1)],
    hidden=[
        call(""),
        call("no brackets"),
        call(")"),
        call("[[()()]]"),
        call("((("),
        call("[](()"),
        call("()[])("),
        call("(" * 40 + ")" * 40),
        call("[(" * 20 + ")]" * 19),
    ],
)
def first_bad_bracket(text: str) -> int:
    """Find the first wrong bracket in a text with round brackets ( ) and square brackets [ ].

    Other characters are skipped. Read from left to right. A closing bracket must be of the same shape as the
    last opening bracket that is not closed yet; return the place of the first closing bracket for which this
    is not so, or at which no bracket is open.

    When there is none but some brackets are still open at the end, return the place of the first of those.
    When all is well, return -1. Places count from 0.
    """
    opened = []
    for place, character in enumerate(text):
        if character in "([":
            opened.append((place, character))
        elif character in ")]" and (not opened or opened.pop()[1] + character not in ("()", "[]")):
            return place
    return opened[0][0] if opened else -1


@first_bad_bracket.other_way
def _(text: str) -> int:
    marks = [(place, character) for place, character in enumerate(text) if character in "()[]"]
    at = 0
    while at < len(marks) - 1:  # Neighbours that belong together are struck out until none is left.
        if marks[at][1] + marks[at + 1][1] in ("()", "[]"):
            del marks[at : at + 2]
            at = 0
        else:
            at += 1
    closing = [place for place, character in marks if character in ")]"]
    return min(closing) if closing else marks[0][0] if marks else -1


@function_task(
    3,
    shown=[(call(10, 2), "1010"), (call(-255, 16), "-ff"), (call(0, 7), "0")],
    hidden=[
        call(1, 2),
        call(35, 36),
        call(36, 36),
        call(-1, 3),
        call(1000, 10),
        call(2**40, 2),
        call(123456789, 12),
    ],
)
def to_base(n: int, base: int) -> str:
    """Write the whole number n in the given base, which is between 2 and 36.

    The digits are 0 to 9 and then the small letters from a to z. A negative number begins with a minus sign.
    There are no zeros in front, and zero itself is written 0.
    """
    digits = ""
    rest = abs(n)
    while rest or not digits:
        rest, digit = divmod(rest, base)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return "-" + digits if n < 0 else digits


@to_base.other_way
def _(n: int, base: int) -> str:
    power, rest, digits = 1, abs(n), ""
    while power * base <= rest:
        power *= base
    while power:
        digits += chr(rest // power + (48 if rest // power < 10 else 87))
        rest, power = rest % power, power // base
    return digits if n >= 0 else f"-{digits}"


@function_task(
    3,
    shown=[(call("2+3*4"), 14), (call("10 - 4 - 3"), 3), (call("7"), 7)],
    hidden=[
        call("0"),
        call("2*3+4*5"),
        call("1-2*3"),
        call("2*2*2*2-16"),
        call(" 12 * 12 "),
        call("100-1-2-3*4*5+6"),
        call("007+1"),
        call("9*0-9+1*1"),
    ],
)
def work_out(sum_text: str) -> int:
    """Return the value of a sum made of whole numbers and the signs +, - and *, such as 2+3*4.

    Multiplication comes first; otherwise work from left to right. There are no brackets, the numbers have no
    sign of their own, and spaces may stand between numbers and signs. A number may begin with zeros.
    """
    total = 0
    for term in sum_text.replace(" ", "").replace("-", "+-").split("+"):
        product = -1 if term.startswith("-") else 1
        for factor in term.lstrip("-").split("*"):
            product *= int(factor)
        total += product
    return total


work_out.other_way(lambda text: eval(re.sub(r"\b0+(?=\d)", "", text.strip())))  # noqa: S307


@function_task(
    3,
    shown=[(call("F3 R F2"), [2, 3]), (call("L F1"), [-1, 0]), (call(""), [0, 0])],
    hidden=[
        call("F10"),
        call("R R F4"),
        call("L L L L F1"),
        call("R F1 R F1 R F1 R F1"),
        call("F2 B5 L B3"),
        call("B12 R B1"),
    ],
)
def rover_end(orders: str) -> list[int]:
    """A rover stands at [0, 0] and looks north.

    Follow its orders and return where it ends, as a list [east, north]. Orders are separated by single
    spaces. L is a quarter turn to the left and R one to the right; neither moves the rover. F3 drives 3 ahead
    and B3 drives 3 back without turning, and so with any other whole number. West and south of the start are
    negative. There may be no orders at all.
    """
    east, north = 0, 0
    step_east, step_north = 0, 1
    for order in orders.split():
        if order == "R":
            step_east, step_north = step_north, -step_east
        elif order == "L":
            step_east, step_north = -step_north, step_east
        else:
            far = int(order[1:]) if order[0] == "F" else -int(order[1:])
            east += far * step_east
            north += far * step_north
    return [east, north]


@rover_end.other_way
def _(orders: str) -> list[int]:
    place, looks = 0 + 0j, 1j
    for order in filter(None, orders.split(" ")):
        if order in "LR":
            looks *= 1j if order == "L" else -1j
        else:
            place += looks * int(order.replace("F", "").replace("B", "-"))
    return [round(place.real), round(place.imag)]


@function_task(
    3,
    shown=[(call("the cat sat on a mat", 7), ["the cat", "sat on", "a mat"]), (call("", 5), [])],
    hidden=[
        call("a", 1),
        call("a b c", 1),
        call("a b c", 3),
        call("enormously big", 4),
        call("to enormously to", 4),
        call("one two three four five six seven", 13),
        call("  many   spaces here ", 11),
    ],
)
def fold_lines(text: str, width: int) -> list[str]:
    """Break the text into lines of at most width characters and return the list of lines.

    Words are separated by one or more spaces and are never cut. Put as many words on each line as fit, with
    one space between them. A word that is longer than width stands alone on its line. No words, no lines.
    """
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return lines


@fold_lines.other_way
def _(text: str, width: int) -> list[str]:
    words, lines = text.split(), []
    while words:
        fits = [n for n in range(1, len(words) + 1) if n == 1 or len(" ".join(words[:n])) <= width]
        lines.append(" ".join(words[: max(fits)]))
        words = words[max(fits) :]
    return lines


@function_task(
    3,
    shown=[(call("1.2", "1.10"), -1), (call("2.0", "2"), 0), (call("3.1.4", "3.1"), 1)],
    hidden=[
        call("1", "1"),
        call("0.0.0", "0"),
        call("4", "4.0.0"),
        call("1.01", "1.1"),
        call("10", "9.9.9"),
        call("1.2.3", "1.2.3.1"),
        call("2.0.1", "2.1"),
    ],
)
def compare_versions(first: str, second: str) -> int:
    """Compare two version numbers such as 1.10.2.

    Return -1 when first is older, 1 when it is newer, 0 when they are equal. The parts between the full stops
    are whole numbers of any length, and earlier parts matter more. A part that is missing at the end counts
    as 0.
    """
    ours = [int(part) for part in first.split(".")]
    theirs = [int(part) for part in second.split(".")]
    size = max(len(ours), len(theirs))
    ours += [0] * (size - len(ours))
    theirs += [0] * (size - len(theirs))
    return (ours > theirs) - (ours < theirs)


@compare_versions.other_way
def _(first: str, second: str) -> int:
    for number in range(10):
        parts = [
            int(text.split(".")[number]) if number < text.count(".") + 1 else 0 for text in (first, second)
        ]
        if parts[0] != parts[1]:
            return -1 if parts[0] < parts[1] else 1
    return 0
