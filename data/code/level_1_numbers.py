"""Level 1: one expression about numbers."""

from __future__ import annotations

from authoring import call, function_task


@function_task(
    1,
    shown=[(call(3), 6), (call(-5), -10)],
    hidden=[call(0), call(1), call(-1), call(250), call(10**15), call(-37)],
)
def double(n: int) -> int:
    """Return n multiplied by two."""
    return n * 2


double.other_way(lambda n: n + n)


@function_task(
    1,
    shown=[(call(1, 2), 6), (call(-4, 4), 3)],
    hidden=[call(0, 0), call(-3, 0), call(10, 20), call(-8, -9), call(10**12, 1), call(7, -30)],
)
def add_and_three(a: int, b: int) -> int:
    """Add the numbers a and b, add 3 to that, and return the result."""
    return a + b + 3


add_and_three.other_way(lambda a, b: sum([3, b, a]))


@function_task(
    1,
    shown=[(call(4, 9, 2), 9), (call(-1, -7, -3), -1)],
    hidden=[call(1, 2, 3), call(5, 5, 1), call(0, 0, 0), call(-2, 0, -9), call(6, -6, 6), call(3, 8, 800)],
)
def largest_of_three(a: int, b: int, c: int) -> int:
    """Return the largest of the three numbers."""
    return max(a, b, c)


@largest_of_three.other_way
def _(a: int, b: int, c: int) -> int:
    top = (a + b + abs(a - b)) // 2
    return (top + c + abs(top - c)) // 2


@function_task(
    1,
    shown=[(call(12, 4), True), (call(13, 4), False), (call(5, 0), False)],
    hidden=[call(0, 7), call(0, 0), call(-9, 3), call(9, -3), call(-9, 2), call(4, 12), call(10**12, 10**6)],
)
def divides_evenly(a: int, b: int) -> bool:
    """Tell whether a divided by b leaves no remainder. When b is 0, return False."""
    return b != 0 and a % b == 0


divides_evenly.other_way(lambda a, b: abs(a) in range(0, abs(a) + 1, abs(b)) if b else False)


@function_task(
    1,
    shown=[(call(3, 10), 7), (call(2, -2), 4)],
    hidden=[call(10, 3), call(0, 0), call(-5, -5), call(-8, -3), call(0, 10**9), call(-1, 1)],
)
def distance(a: int, b: int) -> int:
    """Return how far apart the numbers a and b are on the number line; this is never negative."""
    return abs(a - b)


distance.other_way(lambda a, b: max(a, b) - min(a, b))


@function_task(
    1,
    shown=[(call(7), 3), (call(-7), -4), (call(8), 4)],
    hidden=[call(0), call(1), call(-1), call(-2), call(999), call(10**15 + 1)],
)
def half_rounded_down(n: int) -> int:
    """Return half of n. When that is no whole number, return the next smaller whole number."""
    return n // 2


half_rounded_down.other_way(lambda n: (n - n % 2) // 2)


@function_task(
    1,
    shown=[(call(5, 1, 9), True), (call(9, 1, 9), True), (call(0, 1, 9), False)],
    hidden=[
        call(1, 1, 9),
        call(10, 1, 9),
        call(3, 3, 3),
        call(5, 9, 1),
        call(-4, -9, -1),
        call(-10, -9, -1),
        call(2, 3, 3),
    ],
)
def in_between(x: int, low: int, high: int) -> bool:
    """Tell whether x is at least low and at most high. When low is above high, return False."""
    return low <= x <= high


in_between.other_way(lambda x, low, high: x in range(low, high + 1))


@function_task(
    1,
    shown=[(call(15, 0, 10), 10), (call(-3, 0, 10), 0), (call(4, 0, 10), 4)],
    hidden=[
        call(0, 0, 10),
        call(10, 0, 10),
        call(7, 5, 5),
        call(-8, -6, -2),
        call(-1, -6, -2),
        call(-4, -6, -2),
        call(11, 0, 10),
    ],
)
def keep_within(x: int, low: int, high: int) -> int:
    """Return x, but low when x is below low, and high when x is above high. low is never above high."""
    return max(low, min(x, high))


keep_within.other_way(lambda x, low, high: sorted([low, x, high])[1])


@function_task(
    1,
    shown=[(call(1, 30), 5400), (call(0, 2), 120)],
    hidden=[call(0, 0), call(2, 0), call(24, 59), call(0, 61), call(100, 1), call(3, 7)],
)
def to_seconds(hours: int, minutes: int) -> int:
    """Return how many seconds the given hours and minutes are together."""
    return hours * 3600 + minutes * 60


to_seconds.other_way(lambda hours, minutes: (hours * 60 + minutes) * 60)


@function_task(
    1,
    shown=[(call(347), 7), (call(-12), 2)],
    hidden=[call(0), call(10), call(9), call(-90), call(-1), call(123456789012345678)],
)
def last_digit(n: int) -> int:
    """Return the last digit of the whole number n as it is written; a minus sign does not matter."""
    return abs(n) % 10


last_digit.other_way(lambda n: int(str(n)[-1]))


@function_task(
    1,
    shown=[(call(17), 1), (call(-4), -1), (call(0), 0)],
    hidden=[call(1), call(-1), call(10**9), call(-(10**9)), call(2)],
)
def sign_of(n: int) -> int:
    """Return 1 when n is above zero, -1 when it is below zero, and 0 when it is zero."""
    return (n > 0) - (n < 0)


sign_of.other_way(lambda n: n // abs(n) if n else 0)


@function_task(
    1,
    shown=[(call(6, 4, 2), 20), (call(3, 3, 3), 0)],
    hidden=[call(1, 1, 0), call(10, 7, 5), call(100, 200, 9), call(2, 9, 1), call(8, 5, 4)],
)
def lawn_left(width: int, height: int, pond: int) -> int:
    """Return the area of a lawn of width times height, less that of a square pond with sides of pond."""
    return width * height - pond * pond


lawn_left.other_way(lambda width, height, pond: sum([width] * height) - pond**2)
