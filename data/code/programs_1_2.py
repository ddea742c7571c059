"""Levels 1 and 2: programs that read standard input and print."""

from __future__ import annotations

from collections import Counter

from authoring import program_task


@program_task(
    1,
    shown=[("3 4\n", "7\n"), ("-10 10\n", "0\n")],
    hidden=["0 0\n", "-3 -9\n", "100 1\n", "999999999999 1\n", "5 -8\n"],
)
def add_two() -> None:
    """The input is one line with two whole numbers, separated by a space. Print their sum."""
    first, second = map(int, input().split())
    print(first + second)


add_two.other_way(lambda text: f"{sum(int(word) for word in text.split())}\n")


@program_task(
    1,
    shown=[("Rosa\n", "Good day, Rosa.\n"), ("Jo Ann\n", "Good day, Jo Ann.\n")],
    hidden=["Li\n", "x\n", "Anna Maria\n", "O'Neil\n", "J. R.\n"],
)
def good_day() -> None:
    """The input is one line with a name.

    Print the words Good day, a comma, a space, the name and a full stop.
    """
    name = input()
    print(f"Good day, {name}.")


good_day.other_way(lambda text: "Good day, " + text.rstrip("\n") + ".\n")


@program_task(
    1,
    shown=[("5\n", "*****\n"), ("1\n", "*\n")],
    hidden=["2\n", "3\n", "12\n", "60\n", "9\n"],
)
def stars() -> None:
    """The input is one whole number n, at least 1. Print one line of n stars."""
    print("*" * int(input()))


stars.other_way(lambda text: "".join("*" for _ in range(int(text))) + "\n")


@program_task(
    1,
    shown=[("hello there\n", "11\n"), ("a\n", "1\n")],
    hidden=["\n", "four\n", " x \n", "1234567890\n", "two  gaps  here\n"],
)
def line_length() -> None:
    """The input is one line. Print how many characters it has; spaces count, the end of the line does not."""
    print(len(input()))


line_length.other_way(lambda text: f"{len(text) - 1}\n")


@program_task(
    1,
    shown=[("4\n-2\n9\n", "-2\n"), ("6\n6\n7\n", "6\n")],
    hidden=["1\n2\n3\n", "3\n2\n1\n", "5\n5\n5\n", "0\n-1\n0\n", "10\n9\n100\n"],
)
def smallest_of_three() -> None:
    """The input has three lines with one whole number each. Print the smallest of them."""
    print(min(int(input()) for _ in range(3)))


smallest_of_three.other_way(lambda text: f"{-max(-int(word) for word in text.split())}\n")


@program_task(
    1,
    shown=[("3\n", "1\n2\n3\n"), ("1\n", "1\n")],
    hidden=["2\n", "4\n", "7\n", "10\n", "25\n"],
)
def count_up() -> None:
    """The input is one whole number n, at least 1. Print the numbers from 1 to n, each on its own line."""
    for number in range(1, int(input()) + 1):
        print(number)


@count_up.other_way
def _(text: str) -> str:
    printed, number = "", int(text)
    while number:
        printed, number = f"{number}\n{printed}", number - 1
    return printed


@program_task(
    2,
    shown=[("3\nAmy 12\nBen 30\nCid 7\n", "Ben\n"), ("2\nUli 5\nEla 5\n", "Uli\n")],
    hidden=[
        "1\nSolo 0\n",
        "3\nA -5\nB -2\nC -9\n",
        "4\np 9\nq 10\nr 100\ns 99\n",
        "3\nx 1\ny 2\nz 2\n",
        "2\nbig 1000000000000\nsmall 1\n",
    ],
)
def top_score() -> None:
    """The first line of the input is a number n, at least 1.

    Each of the n lines after it has a name and a score. Names have no spaces, and scores are whole numbers.
    Print the name with the highest score; of several, the first.
    """
    best_name, best_score = "", None
    for _ in range(int(input())):
        name, score = input().split()
        if best_score is None or int(score) > best_score:
            best_name, best_score = name, int(score)
    print(best_name)


@top_score.other_way
def _(text: str) -> str:
    lines = [line.split() for line in text.splitlines()[1:]]
    lines.sort(key=lambda line: -int(line[1]))
    return lines[0][0] + "\n"


@program_task(
    2,
    shown=[("4 5\n1\n", "3 10\n"), ("", "0 0\n")],
    hidden=["7\n", "\n\n", "1 2 3\n\n  4   5\n-20\n", "-1\n-1\n-1\n", "0 0 0 0 0 0"],
)
def count_and_sum() -> None:
    """The input has any number of lines, each with any number of whole numbers, separated by spaces.

    Print on one line how many numbers there are, a space, and their sum. The input may be empty.
    """
    import sys

    numbers = [int(word) for word in sys.stdin.read().split()]
    print(len(numbers), sum(numbers))


@count_and_sum.other_way
def _(text: str) -> str:
    count = total = 0
    for line in text.split("\n"):
        for word in filter(None, line.split(" ")):
            count, total = count + 1, total + int(word)
    return f"{count} {total}\n"


@program_task(
    2,
    shown=[("4 3\n", "####\n#..#\n####\n"), ("1 1\n", "#\n")],
    hidden=["2 2\n", "2 3\n", "5 1\n", "1 4\n", "3 2\n", "10 5\n"],
)
def frame() -> None:
    """The input is one line with the width and the height of a picture, both at least 1.

    Print the picture, row by row. The cells at the edge of the picture are #, and those inside are full
    stops.
    """
    width, height = map(int, input().split())
    for row in range(height):
        if row in (0, height - 1):
            print("#" * width)
        else:
            print("#" + "." * (width - 2) + "#" * (width > 1))


@frame.other_way
def _(text: str) -> str:
    width, height = (int(word) for word in text.split())
    edges = {(row, column) for row in range(height) for column in range(width)}
    edges -= {(row, column) for row in range(1, height - 1) for column in range(1, width - 1)}
    rows = [
        "".join("#" if (row, column) in edges else "." for column in range(width)) for row in range(height)
    ]
    return "\n".join(rows) + "\n"


@program_task(
    2,
    shown=[("one\ntwo\nthree\n", "three\ntwo\none\n"), ("up\n\ndown\n", "down\n\nup\n")],
    hidden=["only\n", "a\nb\n", "x y\nz\nx y\n", "1\n\n3\n", "q\nq\nr\ns\nt\n"],
)
def lines_backwards() -> None:
    """The input has one or more lines. Print the same lines, the last one first; a line may be empty."""
    import sys

    for line in reversed(sys.stdin.read().splitlines()):
        print(line)


@lines_backwards.other_way
def _(text: str) -> str:
    printed = ""
    for line in text.splitlines(keepends=True):
        printed = line + printed
    return printed


@program_task(
    2,
    shown=[("7 3\n", "1 x 7 = 7\n2 x 7 = 14\n3 x 7 = 21\n"), ("10 1\n", "1 x 10 = 10\n")],
    hidden=["1 1\n", "0 2\n", "-4 3\n", "12 12\n", "5 0\n"],
)
def times_table() -> None:
    """The input is one line with a whole number n and a whole number m that is not negative.

    Print m lines. The first is 1 x n = and the product, the second 2 x n = and the product, and so on, with
    single spaces between the parts as in the example. When m is 0, print nothing.
    """
    number, size = map(int, input().split())
    for factor in range(1, size + 1):
        print(f"{factor} x {number} = {factor * number}")


@times_table.other_way
def _(text: str) -> str:
    number, size = (int(word) for word in text.split())
    lines, result = [], 0
    while len(lines) < size:
        result += number
        lines.append(f"{len(lines) + 1} x {number} = {result}\n")
    return "".join(lines)


@program_task(
    2,
    shown=[("noon moon\n", "m 1\nn 3\no 4\n"), ("ba\n", "a 1\nb 1\n")],
    hidden=["a\n", "zyx\n", "aaa bbb aaa\n", "to be or not to be\n", "   q\n"],
)
def letter_table() -> None:
    """The input is one line of small letters and spaces, with at least one letter.

    Print one line for each letter that occurs: the letter, a space, and how often it occurs. The lines are in
    the order of the alphabet, and spaces are not counted.
    """
    line = input()
    for letter in sorted(set(line) - {" "}):
        print(letter, line.count(letter))


@letter_table.other_way
def _(text: str) -> str:
    counts = Counter(filter(str.isalpha, text))
    return "".join(
        f"{letter} {counts[letter]}\n" for letter in "abcdefghijklmnopqrstuvwxyz" if counts[letter]
    )
