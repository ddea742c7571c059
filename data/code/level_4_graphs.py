"""Level 4: graphs and grids."""

from __future__ import annotations

from authoring import call, function_task

_MAZE = ["S....#....", "####.#.##.", "...#.#.#..", ".#.#...#.#", ".#.#####..", ".#.......E"]


@function_task(
    4,
    shown=[(call(["S.#", ".#.", "..E"]), 4), (call(["S#E"]), -1)],
    hidden=[
        call(["SE"]),
        call(["S..#E"]),
        call(["E.", ".S"]),
        call(["S...", "###.", "E..."]),
        call(["S#.", "##.", "..E"]),
        call(["E", ".", ".", "S"]),
        call(_MAZE),
        call(["." * 12 + "S", *["." * 13] * 8, "E" + "." * 12]),
    ],
)
def shortest_walk(cave: list[str]) -> int:
    """Return the smallest number of steps that lead from S to E in a cave, or -1 when there is no way.

    The cave is a list of rows of equal length. One step leads to the next cell above, below, to the left or
    to the right. Cells with # are rock and cannot be entered; those with a full stop are free. There is
    exactly one S and one E.
    """
    cells = {
        (row, column): cell
        for row, line in enumerate(cave)
        for column, cell in enumerate(line)
        if cell != "#"
    }
    reached = {place for place, cell in cells.items() if cell == "S"}
    seen = set(reached)
    steps = 0
    while reached:
        if any(cells[place] == "E" for place in reached):
            return steps
        around = {
            (row + down, column + right)
            for row, column in reached
            for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1))
        }
        reached = {place for place in around if place in cells} - seen
        seen |= reached
        steps += 1
    return -1


@shortest_walk.other_way
def _(cave: list[str]) -> int:
    width = len(cave[0]) + 1
    flat = "#" * width + "#".join(cave) + "#" * (width + 1)
    far = {place: 0 if cell == "S" else 10**6 for place, cell in enumerate(flat) if cell != "#"}
    for _ in flat:
        for place, steps in far.items():
            near = [far[place + move] + 1 for move in (1, -1, width, -width) if place + move in far]
            far[place] = min([steps, *near])
    steps = far[flat.index("E")]
    return steps if steps < 10**6 else -1


@function_task(
    4,
    shown=[
        (
            call(["paint", "build", "plan"], [["plan", "build"], ["build", "paint"]]),
            ["plan", "build", "paint"],
        ),
        (call(["a", "b"], [["a", "b"], ["b", "a"]]), None),
    ],
    hidden=[
        call([], []),
        call(["c", "a", "b"], []),
        call(["a", "b", "c", "d"], [["d", "a"], ["c", "b"]]),
        call(["x"], [["x", "x"]]),
        call(["a", "b", "c", "d", "e"], [["e", "a"], ["e", "d"], ["d", "b"], ["a", "b"]]),
        call(["a", "b", "c", "d"], [["a", "b"], ["b", "c"], ["c", "b"]]),
        call(["m", "n"], [["n", "m"], ["n", "m"]]),
        call([f"t{i}" for i in range(10, 40)], [[f"t{i + 1}", f"t{i}"] for i in range(10, 39)]),
    ],
)
def work_order(jobs: list[str], before: list[list[str]]) -> list[str] | None:
    """Return the jobs in an order in which they can be done, or None when there is none.

    Each pair [first, later] in before says that first must be done before later; a pair may be given twice.
    Whenever several jobs can be done next, take the one that comes first in the alphabet. All jobs have
    different names, and pairs name only jobs of the list.
    """
    order: list[str] = []
    waiting = {job: {first for first, later in before if later == job} for job in jobs}
    while waiting:
        ready = [job for job, needs in waiting.items() if needs.issubset(order)]
        if not ready:
            return None
        order.append(min(ready))
        del waiting[min(ready)]
    return order


@work_order.other_way
def _(jobs: list[str], before: list[list[str]]) -> list[str] | None:
    from heapq import heapify, heappop, heappush

    missing = {job: sum(later == job for _, later in before) for job in jobs}
    ready = [job for job in jobs if missing[job] == 0]
    heapify(ready)
    order = []
    while ready:
        order.append(heappop(ready))
        for first, later in before:
            missing[later] -= first == order[-1]
            if first == order[-1] and missing[later] == 0 and later not in ready:
                heappush(ready, later)
    return order if len(order) == len(jobs) else None


_RAILS = [
    ["a", "b", 7],
    ["a", "c", 3],
    ["b", "c", 1],
    ["b", "d", 2],
    ["c", "d", 8],
    ["d", "e", 5],
    ["f", "g", 1],
]


@function_task(
    4,
    shown=[
        (call([["a", "b", 5], ["b", "c", 4], ["a", "c", 10]], "a", "c", 2), 9),
        (call([["a", "b", 5], ["b", "c", 4], ["a", "c", 10]], "a", "c", 1), 10),
        (call([["a", "b", 5]], "a", "z", 3), None),
    ],
    hidden=[
        call([], "x", "x", 0),
        call([], "x", "y", 4),
        call(_RAILS, "a", "e", 4),
        call(_RAILS, "a", "e", 3),
        call(_RAILS, "a", "e", 2),
        call(_RAILS, "e", "a", 9),
        call(_RAILS, "a", "g", 9),
        call(_RAILS, "d", "d", 1),
        call([["p", "q", 9], ["q", "p", 2], ["q", "r", 1]], "p", "r", 2),
        call([["s", "s", 1], ["s", "t", 4]], "t", "s", 1),
        call([[f"n{i}", f"n{i + 1}", 1 + i % 3] for i in range(25)] + [["n0", "n25", 60]], "n0", "n25", 25),
        call([[f"n{i}", f"n{i + 1}", 1 + i % 3] for i in range(25)] + [["n0", "n25", 60]], "n0", "n25", 24),
    ],
)
def cheapest_trip(rails: list[list[str | int]], start: str, goal: str, most: int) -> int | None:
    """Return the lowest price of a trip from start to goal that uses at most the given number of rails.

    Each rail is a list [town, town, price] and can be used in both directions, as often as one likes, for its
    price each time; prices are positive. There may be several rails between the same towns, and start and
    goal need not be on any rail. A trip from a town to itself costs 0. When there is no such trip, return
    None.
    """
    cheapest = {start: 0}
    for _ in range(most):
        before = dict(cheapest)
        for one, other, price in rails:
            for here, there in ((one, other), (other, one)):
                if here in before:
                    cost = before[here] + price
                    cheapest[there] = min(cheapest.get(there, cost), cost)
    return cheapest.get(goal)


@cheapest_trip.other_way
def _(rails: list[list[str | int]], start: str, goal: str, most: int) -> int | None:
    from heapq import heappop, heappush

    todo, seen = [(0, 0, start)], set()
    while todo:
        cost, used, town = heappop(todo)
        if town == goal:
            return cost
        if used < most and (used, town) not in seen:
            seen.add((used, town))
            for one, other, price in rails:
                if town in (one, other):
                    heappush(todo, (cost + int(price), used + 1, str(other if town == one else one)))
    return None
