"""Level 1: one expression about texts or lists."""

from __future__ import annotations

from authoring import call, function_task


@function_task(
    1,
    shown=[(call("ha", 3), "hahaha"), (call("x", 0), "")],
    hidden=[call("ab", 1), call("", 5), call("no", -2), call("a b ", 2), call("-", 40)],
)
def repeat_text(text: str, times: int) -> str:
    """Return the text written the given number of times in a row; nothing when times is zero or below."""
    return text * times


repeat_text.other_way(lambda text, times: "".join(text for _ in range(times)))


@function_task(
    1,
    shown=[(call([4, 8, 1]), 1), (call([]), None)],
    hidden=[
        call([7]),
        call([1, 2]),
        call([0, 0, -5]),
        call([5, 6, 0]),
        call([-8, -9]),
        call([2, 2, 3, 2]),
    ],
)
def last_item(items: list[int]) -> int | None:
    """Return the last item of the list, or None when the list is empty."""
    return items[-1] if items else None


last_item.other_way(lambda items: next(iter(reversed(items)), None))


@function_task(
    1,
    shown=[(call("stop"), "STOP!"), (call(""), "!")],
    hidden=[call("Go"), call("a b"), call("LOUD"), call("no!"), call("x1y2")],
)
def shout(word: str) -> str:
    """Return the word in capital letters with one exclamation mark after it."""
    return word.upper() + "!"


shout.other_way(lambda word: "".join(letter.capitalize() for letter in word) + "!")


@function_task(
    1,
    shown=[(call("banana", "a"), 3), (call("Banana", "b"), 0)],
    hidden=[call("", "x"), call("xxxx", "x"), call("hello world", " "), call("AaAa", "A"), call("abc", "d")],
)
def count_letter(text: str, letter: str) -> int:
    """Return how often the single character letter stands in the text; capital and small letters differ."""
    return text.count(letter)


count_letter.other_way(lambda text, letter: sum(each == letter for each in text))


@function_task(
    1,
    shown=[(call("lemon"), "ln"), (call("a"), "aa"), (call(""), "")],
    hidden=[call("ab"), call("noon"), call(" x"), call("1234567890"), call("?!")],
)
def first_and_last(text: str) -> str:
    """Return the first character of the text followed by its last one; for an empty text, an empty text."""
    return text[:1] + text[-1:]


first_and_last.other_way(lambda text: f"{text[0]}{text[len(text) - 1]}" if text else "")


@function_task(
    1,
    shown=[(call("a b  c"), "abc"), (call(" "), "")],
    hidden=[call(""), call("none"), call("  both ends "), call("1 + 2"), call("tab\tstays here")],
)
def without_spaces(text: str) -> str:
    """Return the text without its spaces; every other character stays."""
    return text.replace(" ", "")


without_spaces.other_way(lambda text: "".join(text.split(" ")))


@function_task(
    1,
    shown=[(call([5, 2, 3]), 5), (call([9]), 0), (call([]), 0)],
    hidden=[
        call([1, 1]),
        call([0, -4, 4]),
        call([-3, -2, -1]),
        call([100, 1, 2, 3, 4]),
        call([2, 10**12, 1]),
    ],
)
def total_after_first(numbers: list[int]) -> int:
    """Return the sum of all numbers except the first; 0 when there is no other."""
    return sum(numbers[1:])


total_after_first.other_way(lambda numbers: sum(numbers) - sum(numbers[:1]))


@function_task(
    1,
    shown=[(call("Mia"), "Hello, Mia!"), (call("Tom", greeting="Bye"), "Bye, Tom!")],
    hidden=[
        call(""),
        call("Li Na"),
        call("Bo", "Hi"),
        call("you", greeting="Good morning"),
        call(name="Eve", greeting="Ahoy"),
    ],
)
def greet(name: str, greeting: str = "Hello") -> str:
    """Return the greeting, a comma, a space, the name and an exclamation mark, as one text."""
    return f"{greeting}, {name}!"


greet.other_way(lambda name, greeting="Hello": greeting + ", " + name + "!")


@function_task(
    1,
    shown=[(call([3, -1, 0, 8]), 2), (call([]), 0)],
    hidden=[call([0]), call([-5, -6]), call([1, 2, 3]), call([0, 0, 1]), call([-1, 1] * 30)],
)
def count_positive(numbers: list[int]) -> int:
    """Return how many of the numbers are above zero."""
    return sum(number > 0 for number in numbers)


count_positive.other_way(lambda numbers: len([number for number in numbers if max(number, 0)]))


@function_task(
    1,
    shown=[(call("pear", "fig"), True), (call("fig", "pear"), False), (call("ab", "cd"), False)],
    hidden=[call("", ""), call("a", ""), call("", "a"), call("   ", "ab"), call("zzz", "aaaa")],
)
def is_longer(first: str, second: str) -> bool:
    """Tell whether the first text has more characters than the second."""
    return len(first) > len(second)


is_longer.other_way(lambda first, second: bool(first[len(second) :]))


@function_task(
    1,
    shown=[(call([1, 2, 3, 4, 5]), [1, 3, 5]), (call([7, 8]), [7])],
    hidden=[call([]), call([0]), call(["a", "b", "c"]), call([4, 4, 4, 4]), call(list(range(50)))],
)
def every_second(items: list) -> list:
    """Return a list of the first item, the third, the fifth and so on."""
    return items[::2]


every_second.other_way(lambda items: [item for place, item in enumerate(items) if place % 2 == 0])


@function_task(
    1,
    shown=[(call([1, 2, 3]), [3, 2, 1]), (call([4, 5, 6, 7]), [7, 5, 6, 4]), (call([9]), [9])],
    hidden=[call([]), call([1, 2]), call(["x", "y", "z", "x"]), call([0, 0, 1]), call(list(range(20)))],
)
def swap_ends(items: list) -> list:
    """Return a new list with the first and the last item swapped; the list that was passed stays as it is."""
    return items[-1:] + items[1:-1] + items[:1] if len(items) > 1 else list(items)


@swap_ends.other_way
def _(items: list) -> list:
    swapped = list(items)
    if swapped:
        swapped[0], swapped[-1] = swapped[-1], swapped[0]
    return swapped
