"""Level 4: programs that need an algorithm."""

from __future__ import annotations

from itertools import combinations, pairwise

from authoring import program_task


@program_task(
    4,
    shown=[
        ("push 3\npush 4\nadd\nprint\n", "7\n"),
        ("push 3\nprint\npush 1\nsub\ncopy\njump 2\npush 99\nprint\n", "3\n2\n1\n99\n"),
    ],
    hidden=[
        "push 5\n",
        "push 2\npush 9\nsub\nprint\n",
        "push 6\ncopy\nmul\nprint\n",
        "push 0\njump 1\npush 8\nprint\n",
        "push 1\njump 4\nprint\npush 10\nprint\n",
        "push 1\ncopy\nprint\ncopy\nadd\ncopy\npush 128\nsub\njump 2\nprint\n",
        "push 1\njump 99\nprint\n",
        "push 4\nprint\npush 1\njump 0\nprint\n",
    ],
)
def stack_machine() -> None:
    """Run the program of a small machine.

    The input is the program, one instruction a line; line 1 is the first. The machine has a stack of whole
    numbers, which is empty at first. push N puts N on top of it. copy puts the top number on the stack once
    more. add, sub and mul take the top number b and then the next number a off the stack and put a + b, a - b
    or a * b on it. print prints the top number on a line of its own and leaves it there. jump L takes the top
    number off the stack; when it is not 0, the program goes on at line L.

    The program ends after its last line, or by a jump to a line that does not exist. It never takes a number
    off an empty stack, and it always ends.
    """
    import sys

    program = [line.split() for line in sys.stdin]
    stack: list[int] = []
    line = 1
    while 1 <= line <= len(program):
        name, *number = program[line - 1]
        line += 1
        if name == "push":
            stack.append(int(number[0]))
        elif name == "copy":
            stack.append(stack[-1])
        elif name == "print":
            print(stack[-1])
        elif name == "jump":
            if stack.pop() != 0:
                line = int(number[0])
        else:
            right, left = stack.pop(), stack.pop()
            stack.append({"add": left + right, "sub": left - right, "mul": left * right}[name])


@stack_machine.other_way
def _(text: str) -> str:
    lines, stack, at, printed = text.splitlines(), (), 0, ""
    while 0 <= at < len(lines):
        word, _, number = lines[at].partition(" ")
        at += 1
        match word, stack:
            case "push", rest:
                stack = (int(number), *rest)
            case "copy", (top, *rest):
                stack = (top, top, *rest)
            case "print", (top, *_):
                printed += f"{top}\n"
            case "jump", (top, *rest):
                stack, at = tuple(rest), int(number) - 1 if top else at
            case _, (right, left, *rest):
                work = {"add": int.__add__, "sub": int.__sub__, "mul": int.__mul__}[word]
                stack = (work(left, right), *rest)
    return printed


@program_task(
    4,
    shown=[("3\n1 4 50\n3 5 60\n4 7 30\n", "80\n"), ("1\n2 3 10\n", "10\n")],
    hidden=[
        "2\n1 9 10\n2 3 9\n",
        "4\n1 2 5\n2 3 5\n3 4 5\n1 4 14\n",
        "4\n1 2 5\n2 3 5\n3 4 5\n1 4 16\n",
        "3\n5 8 7\n5 8 9\n5 8 8\n",
        "6\n10 12 4\n1 3 6\n2 6 9\n5 9 7\n8 11 3\n6 8 2\n",
        "8\n0 5 8\n4 9 9\n5 6 1\n6 10 6\n9 12 4\n10 11 3\n11 20 10\n0 20 27\n",
    ],
)
def hall_bookings() -> None:
    """A hall can be let to one guest at a time. Choose the requests that bring in the most.

    The first line of the input is the number n of requests, at least 1. Each of the n lines after it has
    three whole numbers: start, end and price, with 0 <= start < end and a positive price. Two requests
    exclude each other when their times overlap; one may start at the moment at which another ends. Print the
    largest total price of requests of which no two exclude each other.
    """
    requests = [tuple(map(int, input().split())) for _ in range(int(input()))]
    requests.sort(key=lambda request: request[1])
    best = [0]
    for place, (start, _, price) in enumerate(requests):
        fits = sum(end <= start for _, end, _ in requests[:place])
        best.append(max(best[-1], best[fits] + price))
    print(best[-1])


@hall_bookings.other_way
def _(text: str) -> str:
    requests = [[int(word) for word in line.split()] for line in text.splitlines()[1:]]
    totals = {0}
    for size in range(1, len(requests) + 1):
        for chosen in combinations(sorted(requests), size):
            if all(before[1] <= after[0] for before, after in pairwise(chosen)):
                totals.add(sum(price for *_, price in chosen))
    return f"{max(totals)}\n"


@program_task(
    4,
    shown=[
        ("join a b\nsame a c\njoin b c\nsame a c\nsize c\n", "no\nyes\n3\n"),
        ("size z\nsame z z\n", "1\nyes\n"),
    ],
    hidden=[
        "size x\nsame x x\nsame x y\n",
        "join a a\nsize a\n",
        "join a b\njoin c d\nsame a d\nsize b\njoin d a\nsame b c\nsize c\n",
        "join p q\njoin q p\nsize p\njoin r s\njoin s t\nsize t\nsame p t\n",
        "".join(f"join n{i} n{i + 2}\n" for i in range(30)) + "same n0 n30\nsame n0 n31\nsize n5\nsize n6\n",
        "join a b\n",
    ],
)
def clubs() -> None:
    """At first everybody is in a club alone.

    Each line of the input is one of three orders, and there is at least one. join A B makes one club of the
    club of A and that of B; when they are in the same club already, nothing changes. same A B prints yes when
    A and B are in the same club and no otherwise. size A prints how many people are in the club of A. Names
    have no spaces, and anybody may be named in any order for the first time.
    """
    import sys

    clubs_of: dict[str, set[str]] = {}
    for line in sys.stdin:
        order, *names = line.split()
        found = [clubs_of.setdefault(name, {name}) for name in names]
        if order == "size":
            print(len(found[0]))
        elif order == "same":
            print("yes" if found[0] is found[1] else "no")
        else:
            united = found[0] | found[1]
            for member in united:
                clubs_of[member] = united


@clubs.other_way
def _(text: str) -> str:
    joined: list[tuple[str, str]] = []
    printed = ""
    for line in text.splitlines():
        order, first, *more = line.split()
        club: set[str] = {first}
        for _ in joined:
            club |= {name for pair in joined if club & set(pair) for name in pair}
        if order == "join":
            joined.append((first, more[0]))
        else:
            printed += f"{len(club)}\n" if order == "size" else ("yes\n" if more[0] in club else "no\n")
    return printed
