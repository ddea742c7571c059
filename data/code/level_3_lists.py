"""Level 3: lists that need a small algorithm."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from authoring import call, function_task


@function_task(
    3,
    shown=[(call([[9, 11], [10, 12], [14, 15]]), [[9, 12], [14, 15]]), (call([]), [])],
    hidden=[
        call([[1, 2]]),
        call([[5, 6], [1, 2]]),
        call([[1, 3], [3, 5]]),
        call([[1, 9], [2, 3], [4, 5]]),
        call([[1, 2], [5, 8], [6, 9], [12, 13], [13, 15]]),
        call([[10, 12], [3, 8], [1, 2], [4, 5]]),
        call([[4, 6], [1, 4], [8, 9], [6, 7]]),
        call([[1, 2], [1, 2], [1, 2]]),
        call([[i, i + 1] for i in range(40, 0, -2)]),
    ],
)
def busy_times(meetings: list[list[int]]) -> list[list[int]]:
    """Join meetings to the times at which one is busy.

    Each meeting is a list [start, end] of whole hours with start below end. Meetings that overlap, or of
    which one ends when the other starts, make up one time. Return the times as lists [start, end], earliest
    first. The meetings come in any order.
    """
    times: list[list[int]] = []
    for start, end in sorted(meetings):
        if times and start <= times[-1][1]:
            times[-1][1] = max(times[-1][1], end)
        else:
            times.append([start, end])
    return times


@busy_times.other_way
def _(meetings: list[list[int]]) -> list[list[int]]:
    hours = sorted({hour for start, end in meetings for hour in range(start, end)})
    runs = [[hour for _, hour in run] for _, run in groupby(enumerate(hours), lambda pair: pair[1] - pair[0])]
    return [[run[0], run[-1] + 1] for run in runs]


@function_task(
    3,
    shown=[(call([5, 1, 2, 4, 3, 9]), [1, 2, 4]), (call([3, 3]), [3]), (call([]), [])],
    hidden=[
        call([1]),
        call([3, 2, 1]),
        call([1, 2, 0, 1]),
        call([1, 1, 2, 3, 3]),
        call([-3, -2, 7, 1, 2, 3, 4]),
        call(list(range(25))),
    ],
)
def longest_climb(numbers: list[int]) -> list[int]:
    """Return the longest stretch of neighbouring numbers in which each is larger than the one before.

    Of several equally long stretches return the one that comes first. For an empty list, return an empty
    list.
    """
    best: list[int] = []
    stretch: list[int] = []
    for number in numbers:
        stretch = [*stretch, number] if stretch and number > stretch[-1] else [number]
        if len(stretch) > len(best):
            best = stretch
    return best


@longest_climb.other_way
def _(numbers: list[int]) -> list[int]:
    ends = range(len(numbers) + 1)
    stretches = [numbers[start:end] for start in ends for end in ends if start < end]
    rising = [stretch for stretch in stretches if stretch == sorted(set(stretch))]
    return max(rising, key=len, default=[])


@function_task(
    3,
    shown=[
        (call(["tea", "pot", "eat", "top", "ale"]), [["tea", "eat"], ["pot", "top"], ["ale"]]),
        (call([]), []),
    ],
    hidden=[
        call(["one"]),
        call(["a", "a", "b"]),
        call(["abc", "cab", "aabc", "bca"]),
        call(["", "x", ""]),
        call(["Ab", "ab", "ba"]),
        call(["aab", "abb", "bab"]),
    ],
)
def same_letters(words: list[str]) -> list[list[str]]:
    """Put words that consist of the same letters, each as often as in the other, into one group.

    Capital and small letters differ. Groups come in the order of their first words, and the words of a group
    in the order of the list; a word that occurs twice is listed twice.
    """
    groups: dict[str, list[str]] = {}
    for word in words:
        groups.setdefault("".join(sorted(word)), []).append(word)
    return list(groups.values())


@same_letters.other_way
def _(words: list[str]) -> list[list[str]]:
    groups: list[list[str]] = []
    for word in words:
        home = next((group for group in groups if Counter(group[0]) == Counter(word)), None)
        groups.append([word]) if home is None else home.append(word)
    return groups


@function_task(
    3,
    shown=[
        (call([["A", "B"], ["B", "A"], ["A", "B"]]), "A"),
        (call([["A", "C"], ["A", "C"], ["B", "C"], ["C", "B"], ["C", "B"]]), "C"),
    ],
    hidden=[
        call([["X"]]),
        call([["B", "A"], ["A", "B"]]),
        call([["A", "B", "C"], ["B", "C", "A"], ["C", "A", "B"]]),
        call(
            [
                ["A", "D"],
                ["A", "D"],
                ["A", "D"],
                ["B", "D"],
                ["B", "D"],
                ["D", "B"],
                ["D", "B"],
                ["C", "B", "D"],
            ]
        ),
        call([["A"], ["B"], ["C", "B"], ["A"], ["B"]]),
        call([["A"], ["A"], ["B"], ["B"], ["C"]]),
        call([["A"], ["A"], ["B", "C"], ["C"]]),
    ],
)
def election_winner(ballots: list[list[str]]) -> str:
    """Find the winner of an election in rounds.

    Each ballot lists one or more candidates, the best liked first. In each round a ballot counts for the
    first of its candidates who is still in the race; a ballot that has none left counts for nobody. A
    candidate with more than half of the votes that count in this round wins. Otherwise the one with the
    fewest votes leaves the race (of several the one who comes first in the alphabet), and the next round
    begins.

    The candidates are all who are named on some ballot, so one may have no votes. There is at least one
    ballot, and the last candidate in the race wins in any case.
    """
    racing = {name for ballot in ballots for name in ballot}
    while True:
        votes = dict.fromkeys(sorted(racing), 0)
        for ballot in ballots:
            liked = [name for name in ballot if name in racing]
            if liked:
                votes[liked[0]] += 1
        leader = max(votes, key=lambda name: votes[name])
        if len(racing) == 1 or votes[leader] * 2 > sum(votes.values()):
            return leader
        racing.remove(min(votes, key=lambda name: votes[name]))


@election_winner.other_way
def _(ballots: list[list[str]]) -> str:
    everyone = sorted({name for ballot in ballots for name in ballot})
    firsts = Counter(ballot[0] for ballot in ballots if ballot)
    for name, count in firsts.items():
        if count > sum(firsts.values()) / 2:
            return name
    if len(everyone) == 1:
        return everyone[0]
    loser = min(everyone, key=lambda name: (firsts[name], name))
    return str(election_winner.again([[name for name in ballot if name != loser] for ballot in ballots]))
