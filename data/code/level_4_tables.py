"""Level 4: dynamic programming and parsing."""

from __future__ import annotations

import re
from functools import cache
from itertools import combinations

from authoring import call, function_task


@function_task(
    4,
    shown=[(call("plane", "plan"), 1), (call("abcd", "acbd"), 1), (call("ca", "abc"), 3)],
    hidden=[
        call("", ""),
        call("", "abc"),
        call("aba", "a"),
        call("same", "same"),
        call("tree", "three"),
        call("garden", "danger"),
        call("ab", "ba"),
        call("abcabc", "bacbac"),
        call("converse", "conserve"),
        call("aaaaaaaaaa", "bbbbb"),
    ],
)
def fewest_edits(first: str, second: str) -> int:
    """Return the smallest number of edits that turn the first text into the second.

    One edit inserts a character, removes one, replaces one by another, or swaps two neighbours. Characters
    that were swapped cannot be edited again, and nothing can be put between them.
    """
    table = [[row + column for column in range(len(second) + 1)] for row in range(len(first) + 1)]
    for row in range(1, len(first) + 1):
        for column in range(1, len(second) + 1):
            differ = first[row - 1] != second[column - 1]
            best = min(table[row - 1][column], table[row][column - 1]) + 1
            best = min(best, table[row - 1][column - 1] + differ)
            swapped = first[row - 2 : row] == second[column - 2 : column][::-1]
            if row > 1 and column > 1 and swapped:
                best = min(best, table[row - 2][column - 2] + 1)
            table[row][column] = best
    return table[-1][-1]


@fewest_edits.other_way
def _(first: str, second: str) -> int:
    @cache
    def edits(ours: str, theirs: str) -> int:
        if not ours or not theirs:
            return len(ours + theirs)
        if ours[0] == theirs[0]:
            return edits(ours[1:], theirs[1:])
        ways = [edits(ours[1:], theirs), edits(ours, theirs[1:]), edits(ours[1:], theirs[1:])]
        if ours[:2] == theirs[1::-1]:
            ways.append(edits(ours[2:], theirs[2:]))
        return min(ways) + 1

    return edits(first, second)


@function_task(
    4,
    shown=[(call("2*(3+4)"), 14), (call("-(1 - 5) * 2"), 8), (call("--3"), 3)],
    hidden=[
        call("7"),
        call("((((5))))"),
        call("2-3-4"),
        call("2-(3-4)"),
        call("-2*-3"),
        call("4 * (2 - -(3 * (1 + 1))) - 5"),
        call("(1+2)*(3+4)*(5-6)"),
        call("0-(-(-(0-12)))"),
        call("(" * 30 + "1" + "+1)" * 30),
    ],
)
def evaluate(formula: str) -> int:
    """Return the value of a formula of whole numbers, the signs + - * and round brackets.

    Brackets come first, then multiplication, then addition and subtraction, each from left to right. A minus
    sign may also stand in front of a number, of a bracket or of another such minus sign, and then turns the
    value around, before anything is multiplied. Spaces may stand anywhere except inside a number. The formula
    is always well formed.
    """
    from re import findall

    parts = findall(r"\d+|[-+*()]", formula)[::-1]

    def value() -> int:
        part = parts.pop()
        if part == "-":
            return -value()
        if part != "(":
            return int(part)
        inside = total()
        parts.pop()
        return inside

    def product() -> int:
        result = value()
        while parts and parts[-1] == "*":
            parts.pop()
            result *= value()
        return result

    def total() -> int:
        result = product()
        while parts and parts[-1] in "+-":
            result += product() if parts.pop() == "+" else -product()
        return result

    return total()


evaluate.other_way(lambda formula: eval(re.sub(r"\s", "", formula)))  # noqa: S307


@function_task(
    4,
    shown=[(call([[3, 40], [4, 50], [6, 70]], 7), 90), (call([[5, 9]], 4), 0)],
    hidden=[
        call([], 10),
        call([[1, 1], [1, 2], [1, 3]], 2),
        call([[5, 10], [4, 40], [6, 30], [3, 50]], 10),
        call([[6, 30], [5, 20], [5, 20]], 10),
        call([[2, 7], [3, 7], [4, 7]], 0),
        call([[4, 8], [4, 9], [3, 5], [7, 15], [1, 1], [9, 20], [2, 4], [8, 15]], 17),
        call([[7, 3], [7, 3], [7, 3], [7, 3]], 28),
    ],
)
def best_load(parcels: list[list[int]], limit: int) -> int:
    """Return the largest total value of parcels that a cart can carry.

    Each parcel is a list [weight, value] of positive whole numbers and can be taken once or left. The weights
    of the parcels taken may add up to at most limit, which is not negative.
    """
    best = [0] * (limit + 1)
    for weight, value in parcels:
        for room in range(limit, weight - 1, -1):
            best[room] = max(best[room], best[room - weight] + value)
    return best[limit]


@best_load.other_way
def _(parcels: list[list[int]], limit: int) -> int:
    loads = [load for size in range(len(parcels) + 1) for load in combinations(parcels, size)]
    return max(
        sum(value for _, value in load) for load in loads if sum(weight for weight, _ in load) <= limit
    )


@function_task(
    4,
    shown=[(call([3, 1, 4, 1, 5, 9]), 4), (call([5, 4, 3]), 1), (call([]), 0)],
    hidden=[
        call([7]),
        call([2, 2, 2]),
        call([1, 2, 3, 4]),
        call([10, 1, 2, 11, 3, 12, 4]),
        call([0, 8, 4, 12, 2, 10, 6, 14, 1, 9]),
        call([-1, -5, -3, -4, -2, 0]),
        call([number * 37 % 101 for number in range(90)]),
    ],
)
def most_kept(heights: list[int]) -> int:
    """Remove as few numbers from the list as possible so that each one left is larger than the one before it.

    The numbers that are left keep their order. Return how many are left.
    """
    from bisect import bisect_left

    lowest_ends: list[int] = []
    for height in heights:
        place = bisect_left(lowest_ends, height)
        lowest_ends[place : place + 1] = [height]
    return len(lowest_ends)


@most_kept.other_way
def _(heights: list[int]) -> int:
    kept: list[int] = []
    for place, height in enumerate(heights):
        kept.append(1 + max((kept[left] for left in range(place) if heights[left] < height), default=0))
    return max(kept, default=0)
