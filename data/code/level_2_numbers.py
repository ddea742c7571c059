"""Level 2: a loop or a case distinction about numbers."""

from __future__ import annotations

from authoring import call, function_task


@function_task(
    2,
    shown=[(call(305), 8), (call(-21), 3)],
    hidden=[call(0), call(7), call(-9), call(999999), call(10**18), call(100200300)],
)
def digit_sum(n: int) -> int:
    """Return the sum of the digits of the whole number n; a minus sign does not matter."""
    return sum(int(digit) for digit in str(abs(n)))


@digit_sum.other_way
def _(n: int) -> int:
    total, n = 0, abs(n)
    while n:
        total, n = total + n % 10, n // 10
    return total


@function_task(
    2,
    shown=[(call(48), [2, 1, 3]), (call(20), [1, 0, 0]), (call(0), [0, 0, 0])],
    hidden=[call(1), call(4), call(5), call(19), call(39), call(1000), call(999)],
)
def notes_for(amount: int) -> list[int]:
    """Pay an amount with notes of 20, 5 and 1, using as few notes as possible.

    Return a list of three numbers: how many notes of 20, of 5 and of 1 are used. The amount is never
    negative.
    """
    return [amount // 20, amount % 20 // 5, amount % 5]


@notes_for.other_way
def _(amount: int) -> list[int]:
    counts = []
    for note in (20, 5, 1):
        counts.append(0)
        while amount >= note:
            amount -= note
            counts[-1] += 1
    return counts


@function_task(
    2,
    shown=[(call("09:50", 25), "10:15"), (call("23:30", 45), "00:15"), (call("00:10", -20), "23:50")],
    hidden=[
        call("00:00", 0),
        call("12:00", 1440),
        call("12:34", -1),
        call("07:05", 3000),
        call("07:05", -3000),
        call("23:59", 1),
    ],
)
def clock_after(time: str, minutes: int) -> str:
    """Return what a 24-hour clock shows when the given minutes have passed since time.

    Times are written as two digits, a colon and two digits, from 00:00 to 23:59. Negative minutes go back in
    time.
    """
    start = int(time[:2]) * 60 + int(time[3:])
    now = (start + minutes) % (24 * 60)
    return f"{now // 60:02}:{now % 60:02}"


@clock_after.other_way
def _(time: str, minutes: int) -> str:
    from datetime import datetime, timedelta

    moment = datetime.strptime("2001-06-15 " + time, "%Y-%m-%d %H:%M")  # noqa: DTZ007
    return (moment + timedelta(minutes=minutes)).strftime("%H:%M")


@function_task(
    2,
    shown=[(call(4), 30), (call(2, leap=True), 29), (call(13), None)],
    hidden=[
        call(2),
        call(1),
        call(12),
        call(0),
        call(-1),
        call(11, leap=True),
        call(9),
        call(8),
        call(6, True),
    ],
)
def days_in_month(month: int, leap: bool = False) -> int | None:
    """Return how many days the month has, where 1 is January and 12 is December.

    February has 29 days when leap is true and 28 otherwise. For a month that does not exist, return None.
    """
    if month == 2:
        return 29 if leap else 28
    if month in (4, 6, 9, 11):
        return 30
    return 31 if 1 <= month <= 12 else None


@days_in_month.other_way
def _(month: int, leap: bool = False) -> int | None:
    from calendar import monthrange

    return monthrange(2024 if leap else 2023, month)[1] if month in range(1, 13) else None


@function_task(
    2,
    shown=[(call(3), "3 2 1 go"), (call(0), "go")],
    hidden=[call(1), call(10), call(-4), call(2), call(25)],
)
def countdown(start: int) -> str:
    """Return the numbers from start down to 1 and then the word go, with one space between neighbours.

    When start is zero or negative there are no numbers.
    """
    return " ".join([*(str(number) for number in range(start, 0, -1)), "go"])


@countdown.other_way
def _(start: int) -> str:
    text = "go"
    for number in range(1, start + 1):
        text = f"{number} {text}"
    return text


@function_task(
    2,
    shown=[(call(80), 2), (call(500), 4), (call(501), 5), (call(0), 0)],
    hidden=[call(1), call(100), call(101), call(750), call(751), call(1000), call(1001), call(-20)],
)
def parcel_price(grams: int) -> int:
    """Return the price of a parcel of the given weight in grams.

    Up to and including 100 grams it is 2, above that and up to and including 500 grams it is 4. Beyond 500
    grams, each further 250 grams, or begun part of them, adds 1 to the price of 4. A weight of zero or less
    costs 0.
    """
    if grams <= 0:
        return 0
    if grams <= 100:
        return 2
    return 4 + max(0, -(-(grams - 500) // 250))


@parcel_price.other_way
def _(grams: int) -> int:
    price, limit = (0, 0) if grams <= 0 else (2, 100) if grams <= 100 else (4, 500)
    while grams > limit and grams > 0:
        price, limit = price + 1, limit + 250
    return price


@function_task(
    2,
    shown=[(call(6), 3), (call(1), 0), (call(11), 5)],
    hidden=[call(2), call(16), call(7), call(27), call(100), call(1023), call(64)],
)
def steps_to_one(n: int) -> int:
    """Count how many steps lead from n, which is at least 1, to 1.

    In each step an even number is halved, and from an odd number 1 is subtracted.
    """
    steps = 0
    while n > 1:
        n = n // 2 if n % 2 == 0 else n - 1
        steps += 1
    return steps


steps_to_one.other_way(lambda n: n.bit_length() - 1 + n.bit_count() - 1)


@function_task(
    2,
    shown=[(call(12, 18), 6), (call(7, 5), 1), (call(0, 4), 4)],
    hidden=[call(4, 0), call(1, 1), call(100, 75), call(13, 13), call(64, 48), call(1001, 143)],
)
def largest_tile(width: int, height: int) -> int:
    """Return the side of the largest square tile that covers a floor of width times height with no tile cut.

    Sides are whole numbers. When one of the two is 0, return the other; they are never both 0, and never
    negative.
    """
    while height:
        width, height = height, width % height
    return width


@largest_tile.other_way
def _(width: int, height: int) -> int:
    sides = range(1, max(width, height) + 1)
    return max(side for side in sides if width % side == 0 and height % side == 0)
