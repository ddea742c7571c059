"""Level 3: grids and numbers that need a small algorithm."""

from __future__ import annotations

from collections import Counter
from itertools import product

from authoring import call, function_task


@function_task(
    3,
    shown=[(call([[1, 2, 3], [4, 5, 6]]), [1, 2, 3, 6, 5, 4]), (call([]), [])],
    hidden=[
        call([[7]]),
        call([[1, 2], [3, 4]]),
        call([[1], [2], [3]]),
        call([[1, 2, 3, 4]]),
        call([[1, 2, 3], [4, 5, 6], [7, 8, 9]]),
        call([[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]]),
        call([[row * 6 + column for column in range(6)] for row in range(5)]),
    ],
)
def walk_inwards(grid: list[list[int]]) -> list[int]:
    """Walk through a grid, a list of rows of equal length, and return its numbers in the order of the walk.

    Start at the top left and go right. Whenever the next cell is outside the grid or was visited before, turn
    right. The walk ends when every cell was visited. The grid may have no rows, but no row is empty.
    """
    rest = [list(row) for row in grid]
    walk: list[int] = []
    while rest:
        walk += rest[0]
        rest = [list(column) for column in zip(*rest[1:], strict=True)][::-1]
    return walk


@walk_inwards.other_way
def _(grid: list[list[int]]) -> list[int]:
    left = {(row, column): value for row, line in enumerate(grid) for column, value in enumerate(line)}
    walk, row, column, down, right = [], 0, 0, 0, 1
    while left:
        walk.append(left.pop((row, column)))
        if (row + down, column + right) not in left:
            down, right = right, -down
        row, column = row + down, column + right
    return walk


@function_task(
    3,
    shown=[(call(12), [[2, 2], [3, 1]]), (call(7), [[7, 1]]), (call(1), [])],
    hidden=[
        call(2),
        call(64),
        call(97),
        call(49),
        call(360),
        call(1001),
        call(9973),
        call(10**6),
        call(101 * 103),
    ],
)
def prime_parts(n: int) -> list[list[int]]:
    """Write n, which is at least 1, as a product of primes.

    Return a list of lists [prime, count], where count says how often the prime occurs, smallest prime first.
    For 1 the list is empty.
    """
    parts = []
    prime = 2
    while n > 1:
        if prime * prime > n:
            prime = n
        count = 0
        while n % prime == 0:
            n //= prime
            count += 1
        if count:
            parts.append([prime, count])
        prime += 1
    return parts


@prime_parts.other_way
def _(n: int) -> list[list[int]]:
    found: Counter[int] = Counter()
    while n > 1:
        smallest = next(divisor for divisor in range(2, n + 1) if n % divisor == 0)
        found[smallest] += 1
        n //= smallest
    return [[prime, found[prime]] for prime in sorted(found)]


@function_task(
    3,
    shown=[(call(["...", "###", "..."]), [".#.", ".#.", ".#."]), (call([]), [])],
    hidden=[
        call(["#"]),
        call(["##", "##"]),
        call(["##", "#."]),
        call(["###", "###", "###"]),
        call(["....", "...."]),
        call([".#..", "..#.", "###.", "...."]),
        call(["#####"]),
    ],
)
def moss_tomorrow(field: list[str]) -> list[str]:
    """Moss grows on a field, given as a list of rows of equal length: # is moss and . is bare.

    Return the field of tomorrow. A cell has up to eight neighbours, also diagonally; beyond the edge all is
    bare. Tomorrow a cell has moss when today exactly three of its neighbours have moss, or when it has moss
    itself and exactly two of its neighbours have.
    """
    moss = {
        (row, column) for row, line in enumerate(field) for column, cell in enumerate(line) if cell == "#"
    }
    tomorrow = []
    for row, line in enumerate(field):
        cells = ""
        for column in range(len(line)):
            around = {(row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)}
            number = len(around & moss) - ((row, column) in moss)
            cells += "#" if number == 3 or (number == 2 and (row, column) in moss) else "."
        tomorrow.append(cells)
    return tomorrow


@moss_tomorrow.other_way
def _(field: list[str]) -> list[str]:
    def is_moss(row: int, column: int) -> bool:
        return 0 <= row < len(field) and 0 <= column < len(field[0]) and field[row][column] == "#"

    def grows(row: int, column: int) -> str:
        full = sum(is_moss(row + down, column + right) for down, right in product((-1, 0, 1), repeat=2))
        return ".#"[full == 3 or (full == 4 and is_moss(row, column))]

    return ["".join(grows(row, column) for column in range(len(field[0]))) for row in range(len(field))]


@function_task(
    3,
    shown=[(call(5, [1, 2]), 3), (call(3, [2]), 0), (call(0, [1]), 1)],
    hidden=[
        call(10, [1, 5, 10]),
        call(7, []),
        call(0, []),
        call(11, [3, 4]),
        call(30, [2, 3, 5, 7]),
        call(60, [1, 2, 5, 10, 20]),
    ],
)
def stamp_ways(amount: int, stamps: list[int]) -> int:
    """Count the ways to make up exactly the amount with stamps of the given values.

    Each value may be used any number of times; ways that differ only in the order of the stamps are one way.
    Values are positive and all different. An amount of 0 has one way: no stamps.
    """
    ways = [1] + [0] * amount
    for stamp in stamps:
        for total in range(stamp, amount + 1):
            ways[total] += ways[total - stamp]
    return ways[amount]


@stamp_ways.other_way
def _(amount: int, stamps: list[int]) -> int:
    if amount == 0 or not stamps:
        return int(amount == 0)
    return sum(stamp_ways.again(rest, stamps[1:]) for rest in range(amount, -1, -stamps[0]))
