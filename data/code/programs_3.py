"""Level 3: programs that need an algorithm."""

from __future__ import annotations

import re
from collections import deque

from authoring import program_task


@program_task(
    3,
    shown=[("##..\n#..#\n...#\n", "2 3\n"), ("...\n", "0 0\n")],
    hidden=[
        "#\n",
        "#.#\n.#.\n#.#\n",
        "###\n#.#\n###\n",
        "##\n##\n",
        "#....\n.##..\n..#.#\n#.#.#\n#####\n",
        "....\n....\n",
    ],
)
def ponds() -> None:
    """The input is a map, one or more lines of equal length; # is water and a full stop is land.

    Water cells that touch above, below, to the left or to the right belong to the same pond; cells that touch
    only at a corner do not. Print on one line the number of ponds, a space, and the number of cells of the
    largest pond (0 when there is none).
    """
    import sys

    rows = sys.stdin.read().split()
    water = {
        (row, column) for row, line in enumerate(rows) for column, cell in enumerate(line) if cell == "#"
    }
    sizes = []
    while water:
        border = [water.pop()]
        size = 0
        while border:
            row, column = border.pop()
            size += 1
            for near in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
                if near in water:
                    water.remove(near)
                    border.append(near)
        sizes.append(size)
    print(len(sizes), max(sizes, default=0))


@ponds.other_way
def _(text: str) -> str:
    width = text.index("\n") + 1
    names = {place: place for place, cell in enumerate(text) if cell == "#"}
    for _ in range(len(text)):  # Every cell takes the smallest name around it until nothing changes.
        names = {
            place: min(
                names[place], *(names.get(place + move, names[place]) for move in (1, -1, width, -width))
            )
            for place in names
        }
    ponds_found = list(names.values())
    return f"{len(set(ponds_found))} {max(map(ponds_found.count, ponds_found), default=0)}\n"


@program_task(
    3,
    shown=[("add nut 5\ntake nut 2\ntake nut 4\nshow nut\n", "short\n3\n"), ("show oil\n", "0\n")],
    hidden=[
        "show bolt\n",
        "add a 1\nadd a 1\nshow a\ntake a 2\nshow a\n",
        "take b 1\nadd b 1\ntake b 1\ntake b 1\n",
        "add x 10\nadd y 3\ntake x 11\ntake y 3\nshow y\nshow x\n",
        "add s 0\ntake s 0\nshow s\n",
        "add p 7\ntake p 7\n",
    ],
)
def store() -> None:
    """Keep the books of a store, which is empty at first. Each line of the input is one of three orders.

    add ITEM N puts N pieces of the item into the store. take ITEM N takes out N pieces; when there are fewer
    than that, it takes none and prints the word short. show ITEM prints how many pieces there are, 0 for an
    item that was never added. Names have no spaces, N is a whole number that is not negative, and there is at
    least one line.
    """
    import sys

    stock: dict[str, int] = {}
    for line in sys.stdin:
        order, item, *number = line.split()
        pieces = stock.get(item, 0)
        if order == "add":
            stock[item] = pieces + int(number[0])
        elif order == "show":
            print(pieces)
        elif pieces < int(number[0]):
            print("short")
        else:
            stock[item] = pieces - int(number[0])


@store.other_way
def _(text: str) -> str:
    pieces, printed = [], []
    for line in text.splitlines():
        words = line.split()
        here = pieces.count(words[1])
        if words[0] == "show":
            printed.append(f"{here}\n")
            continue
        wanted = int(words[2])
        if words[0] == "add":
            pieces += [words[1]] * wanted
        elif here < wanted:
            printed.append("short\n")
        else:
            for _ in range(wanted):
                pieces.remove(words[1])
    return "".join(printed)


@program_task(
    3,
    shown=[("5 2\n", "2 4 1 5 3\n"), ("3 1\n", "1 2 3\n")],
    hidden=["1 1\n", "1 9\n", "4 4\n", "6 10\n", "7 3\n", "30 7\n"],
)
def counting_out() -> None:
    """Children with the numbers 1 to n stand in a circle, in this order.

    The input is one line with n and k, both at least 1. Counting starts at child 1 and goes on around the
    circle, over those who are still in it. The child at which the count reaches k leaves the circle, and
    counting starts again from 1 at the next child. Print the numbers of all children in the order in which
    they leave, on one line, separated by single spaces.
    """
    size, step = map(int, input().split())
    circle = list(range(1, size + 1))
    left = []
    place = 0
    while circle:
        place = (place + step - 1) % len(circle)
        left.append(circle.pop(place))
    print(*left)


@counting_out.other_way
def _(text: str) -> str:
    size, step = (int(word) for word in text.split())
    circle, order = deque(range(1, size + 1)), []
    while circle:
        for _ in range(step - 1):
            circle.append(circle.popleft())
        order.append(str(circle.popleft()))
    return " ".join(order) + "\n"


@program_task(
    3,
    shown=[("2\n5 3 1 4\n", "5 3 4 8\n"), ("1\n2 2\n", "2 4\n")],
    hidden=["3\n1\n", "2\n4 4 4 4\n", "4\n9 8 7\n", "3\n10 1 1 1 1 20 3\n", "2\n1 2 3 4 5 6\n", "1\n3 1 2\n"],
)
def counters() -> None:
    """People queue at a post office with a number of counters, all free at time 0.

    Each person needs some minutes there. The first line of the input is the number of counters, at least 1.
    The second has one or more positive whole numbers, the minutes that each person needs, in the order of the
    queue. The first in the queue always goes to the counter that is free first. Print on one line the time at
    which each person is done, in the order of the queue.
    """
    free_at = [0] * int(input())
    done = []
    for minutes in map(int, input().split()):
        counter = free_at.index(min(free_at))
        free_at[counter] += minutes
        done.append(free_at[counter])
    print(*done)


@counters.other_way
def _(text: str) -> str:
    first, second = text.splitlines()
    queue = [*enumerate(map(int, second.split()))]
    busy: list[tuple[int, int]] = []
    done, clock = {}, 0
    while queue or busy:  # The clock ticks minute by minute.
        done |= {person: clock for person, until in busy if until == clock}
        busy = [(person, until) for person, until in busy if until > clock]
        while queue and len(busy) < int(first):
            person, minutes = queue.pop(0)
            busy.append((person, clock + minutes))
        clock += 1
    return " ".join(str(done[person]) for person in sorted(done)) + "\n"


@program_task(
    3,
    shown=[("2\nthe dog and the cat and the bird\n", "the 3\nand 2\n"), ("1\nB b\na A\n", "a 2\n")],
    hidden=[
        "3\none\n",
        "5\nx y z\ny z\nz\n",
        "1\nx x y y\n",
        "2\nRed red RED blue Blue green\n",
        "10\nb a\n\nc b a\n",
    ],
)
def common_words() -> None:
    """The first line of the input is a number k, at least 1.

    The lines after it are a text with at least one word. Words are separated by spaces and line ends, and
    capital letters count as small ones. Print the k most common words, one a line: the word in small letters,
    a space, and how often it occurs. The most common word comes first; of words that are equally common, the
    one that comes first in the alphabet. When there are fewer than k words, print all.
    """
    import sys

    size, *words = sys.stdin.read().lower().split()
    counts = {word: words.count(word) for word in words}
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    for word in ranked[: int(size)]:
        print(word, counts[word])


@common_words.other_way
def _(text: str) -> str:
    first, rest = text.split("\n", 1)
    words = sorted(re.findall(r"\S+", rest.lower()))
    order: list[str] = []
    for number in range(len(words), 0, -1):
        order += [word for word in sorted(set(words)) if words.count(word) == number]
    return "".join(f"{word} {words.count(word)}\n" for word in order[: int(first)])
