"""Level 2: a loop or a case distinction about lists and dictionaries."""

from __future__ import annotations

from itertools import accumulate, pairwise, zip_longest

from authoring import call, function_task


@function_task(
    2,
    shown=[(call([3, 1, -2]), [3, 4, 2]), (call([]), [])],
    hidden=[call([5]), call([0, 0, 0]), call([-1, -2, -3]), call([10, -10, 10]), call(list(range(30)))],
)
def running_total(numbers: list[int]) -> list[int]:
    """Return a list of the same length; each of its items is the sum of the numbers up to that place."""
    totals = []
    total = 0
    for number in numbers:
        total += number
        totals.append(total)
    return totals


running_total.other_way(lambda numbers: list(accumulate(numbers)))


@function_task(
    2,
    shown=[(call([4, 9, 9, 7]), 7), (call([5, 5]), None)],
    hidden=[
        call([]),
        call([1]),
        call([2, 1]),
        call([-1, -5, -1, -3]),
        call([0, 0, 8]),
        call([3, 1, 2, 3, 2]),
    ],
)
def second_largest(numbers: list[int]) -> int | None:
    """Return the second largest of the different values in the list.

    The largest value counts once, however often it occurs. When there are fewer than two different values,
    return None.
    """
    values = sorted(set(numbers))
    return values[-2] if len(values) > 1 else None


@second_largest.other_way
def _(numbers: list[int]) -> int | None:
    return max((number for number in numbers if number < max(numbers)), default=None)


@function_task(
    2,
    shown=[(call({"pen": 2}, {"pen": 1, "ink": 4}), {"pen": 3, "ink": 4}), (call({}, {}), {})],
    hidden=[
        call({"a": 1}, {}),
        call({}, {"b": 2}),
        call({"a": 1, "b": -1}, {"a": -1, "b": 1}),
        call({"x": 0}, {"y": 0}),
        call({"k": 10, "l": 20, "m": 30}, {"m": 1, "n": 2}),
    ],
)
def merge_stock(first: dict[str, int], second: dict[str, int]) -> dict[str, int]:
    """Return a new dictionary with every name of both dictionaries; amounts of the same name are added.

    A name whose amount is 0 stays in the result.
    """
    merged = dict(first)
    for name, amount in second.items():
        merged[name] = merged.get(name, 0) + amount
    return merged


@merge_stock.other_way
def _(first: dict[str, int], second: dict[str, int]) -> dict[str, int]:
    return {name: first.get(name, 0) + second.get(name, 0) for name in [*first, *(set(second) - set(first))]}


@function_task(
    2,
    shown=[(call([3, 1, 3, 2, 1]), [3, 1, 2]), (call([]), [])],
    hidden=[call([7]), call([0, 0, 0]), call(["b", "a", "b"]), call([-1, 1, -1]), call([5, 4, 3, 4, 5] * 10)],
)
def without_repeats(items: list) -> list:
    """Return a list of the different items, in the order in which each comes up for the first time."""
    return list(dict.fromkeys(items))


@without_repeats.other_way
def _(items: list) -> list:
    return [item for place, item in enumerate(items) if item not in items[:place]]


@function_task(
    2,
    shown=[(call([1, 2, 3, 4, 5], 2), [[1, 2], [3, 4], [5]]), (call([], 3), [])],
    hidden=[
        call([1], 1),
        call([1, 2, 3], 3),
        call([1, 2, 3], 9),
        call(["a", "b", "c"], 1),
        call(list(range(12)), 5),
    ],
)
def pack(items: list, size: int) -> list[list]:
    """Put the items into boxes in their order, size items into each; the last may hold fewer, but never none.

    Return the list of boxes, which are lists themselves. size is at least 1.
    """
    return [items[start : start + size] for start in range(0, len(items), size)]


@pack.other_way
def _(items: list, size: int) -> list[list]:
    boxes: list[list] = []
    for item in items:
        if not boxes or len(boxes[-1]) == size:
            boxes.append([])
        boxes[-1].append(item)
    return boxes


@function_task(
    2,
    shown=[(call([1, 2, 3, 4], 1), [2, 3, 4, 1]), (call([1, 2, 3], -1), [3, 1, 2]), (call([], 5), [])],
    hidden=[
        call([9], 4),
        call([1, 2, 3], 0),
        call([1, 2, 3], 3),
        call([1, 2, 3], 7),
        call(["a", "b"], -3),
        call([5, 6, 7, 8], 2),
    ],
)
def rotate_left(items: list, steps: int) -> list:
    """Move the first item of the list to its end, as often as steps says, and return the list that results.

    Negative steps do the opposite and move the last item to the front. The list that was passed stays
    unchanged.
    """
    start = steps % len(items) if items else 0
    return items[start:] + items[:start]


@rotate_left.other_way
def _(items: list, steps: int) -> list:
    turned = list(items)
    for _ in range(abs(steps) if items else 0):
        turned.insert(len(turned), turned.pop(0)) if steps > 0 else turned.insert(0, turned.pop())
    return turned


@function_task(
    2,
    shown=[(call([1, 2, 3], [7, 8]), [1, 7, 2, 8, 3]), (call([], [4]), [4])],
    hidden=[
        call([], []),
        call([1], []),
        call([1], [2, 3, 4]),
        call(["a", "c"], ["b", "d"]),
        call([0, 0, 0], [None, None]),
    ],
)
def take_turns(first: list, second: list) -> list:
    """Return a list that takes items in turns: one of first, one of second, one of first and so on.

    When one list has no items left, the rest of the other follows.
    """
    mixed = [item for pair in zip(first, second, strict=False) for item in pair]
    shared = min(len(first), len(second))
    return mixed + first[shared:] + second[shared:]


@take_turns.other_way
def _(first: list, second: list) -> list:
    gap = object()
    pairs = zip_longest(first, second, fillvalue=gap)
    return [item for pair in pairs for item in pair if item is not gap]


@function_task(
    2,
    shown=[(call([4, 9, 7, 8]), 5), (call([5, 3]), -2), (call([5]), None)],
    hidden=[
        call([]),
        call([1, 1]),
        call([9, 5, 4, 0]),
        call([-5, 5, -5]),
        call([0, 1, 3, 6]),
        call([2, 2, 3, 2]),
    ],
)
def biggest_rise(numbers: list[int]) -> int | None:
    """Return the largest value by which a number exceeds the number right before it.

    It is negative or zero when no number is above the one before it. With fewer than two numbers, return
    None.
    """
    rises = [numbers[place] - numbers[place - 1] for place in range(1, len(numbers))]
    return max(rises, default=None)


@biggest_rise.other_way
def _(numbers: list[int]) -> int | None:
    best = None
    for before, after in pairwise(numbers):
        if best is None or after > before + best:
            best = after - before
    return best
