"""Level 2: a loop or a case distinction about texts."""

from __future__ import annotations

import re

from authoring import call, function_task


@function_task(
    2,
    shown=[(call("Apple pie"), 4), (call("why"), 0)],
    hidden=[call(""), call("AEIOU"), call("rhythm"), call("queue up"), call("xyz 123 e"), call("Oo" * 40)],
)
def vowel_count(text: str) -> int:
    """Return how many characters of the text are one of a, e, i, o, u, as a small or a capital letter."""
    return sum(letter in "aeiou" for letter in text.lower())


vowel_count.other_way(lambda text: len(re.findall("[aeiouAEIOU]", text)))


@function_task(
    2,
    shown=[(call("ada king"), "A.K."), (call("Bo"), "B."), (call(""), "")],
    hidden=[call("jean luc picard"), call("  two  spaces "), call("A B C d"), call("   "), call("x yy zzz")],
)
def initials(name: str) -> str:
    """Return the first letter of each word as a capital letter, with a full stop after each and no spaces.

    Words are separated by one or more spaces; there may be spaces at both ends as well.
    """
    return "".join(word[0].upper() + "." for word in name.split())


initials.other_way(lambda name: "".join(letter.upper() + "." for letter in re.findall(r"(?<!\S)\S", name)))


@function_task(
    2,
    shown=[(call("Never odd or even"), True), (call("abca"), False), (call(""), True)],
    hidden=[
        call("a"),
        call("Aa"),
        call("ab"),
        call("  x y x"),
        call("no, on"),
        call("Step on no pets"),
        call("abcba"),
    ],
)
def reads_both_ways(text: str) -> bool:
    """Tell whether the text is the same when it is read backwards.

    Spaces are left out first, and capital letters count as small ones. All other characters matter.
    """
    kept = text.replace(" ", "").lower()
    return kept == kept[::-1]


@reads_both_ways.other_way
def _(text: str) -> bool:
    kept = [letter.lower() for letter in text if letter != " "]
    return all(kept[place] == kept[-1 - place] for place in range(len(kept) // 2))


@function_task(
    2,
    shown=[(call("a tall oak tree", 3), 2), (call("one two", 3), 0)],
    hidden=[
        call("", 0),
        call("a bb ccc", 0),
        call("a bb ccc", 1),
        call("aaaa", 4),
        call("aaaa", 3),
        call(" x  yy ", 1),
    ],
)
def count_long_words(text: str, size: int) -> int:
    """Return how many words of the text have more than size characters; words are separated by spaces."""
    return sum(len(word) > size for word in text.split())


count_long_words.other_way(lambda text, size: len(re.findall(f"[^ ]{{{size + 1},}}", text)))


@function_task(
    2,
    shown=[(call("the green grass"), "green"), (call(""), "")],
    hidden=[
        call("one"),
        call("aa bb cc"),
        call("a bb ccc"),
        call("xxx yy z"),
        call("a, bb! c"),
        call("to be or not"),
    ],
)
def longest_word(text: str) -> str:
    """Return the longest word of the text; of several equally long ones the first.

    Words are separated by spaces. When there is no word, return an empty text.
    """
    return max(text.split(), key=len, default="")


@longest_word.other_way
def _(text: str) -> str:
    best = ""
    for word in text.split():
        if len(word) > len(best):
            best = word
    return best


@function_task(
    2,
    shown=[(call("aabbbca"), "abca"), (call(""), "")],
    hidden=[
        call("a"),
        call("zzzz"),
        call("abab"),
        call("Aa  b"),
        call("112233211"),
        call("x" * 60 + "y" * 60),
    ],
)
def squeeze(text: str) -> str:
    """Replace every run of the same character by one of that character, and return the result.

    Small and capital letters are different characters.
    """
    kept = ""
    for letter in text:
        if not kept.endswith(letter):
            kept += letter
    return kept


squeeze.other_way(lambda text: re.sub(r"(.)\1+", r"\1", text))


@function_task(
    2,
    shown=[(call("interview", "internet"), "inter"), (call("cat", "dog"), "")],
    hidden=[
        call("", "abc"),
        call("abc", ""),
        call("same", "same"),
        call("car", "carpet"),
        call("Ab", "ab"),
        call("xay", "xby"),
    ],
)
def common_start(first: str, second: str) -> str:
    """Return the longest text with which both texts begin; it may be empty."""
    size = 0
    while size < min(len(first), len(second)) and first[size] == second[size]:
        size += 1
    return first[:size]


common_start.other_way(lambda first, second: __import__("os").path.commonprefix([first, second]))


@function_task(
    2,
    shown=[(call("abz", 1), "bca"), (call("Hi you!", 2), "Hk aqw!"), (call("b", -1), "a")],
    hidden=[
        call("", 5),
        call("xyz", 0),
        call("abc", 26),
        call("abc", -27),
        call("m1 n2", 13),
        call("quiz", 100),
    ],
)
def shift_letters(text: str, steps: int) -> str:
    """Replace each small letter a to z by the one that stands the given steps after it in the alphabet.

    After z the alphabet starts again at a; negative steps go backwards. All other characters stay as they
    are.
    """
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    start = steps % 26
    return text.translate(str.maketrans(alphabet, alphabet[start:] + alphabet[:start]))


@shift_letters.other_way
def _(text: str, steps: int) -> str:
    shifted = []
    for letter in text:
        is_small = "a" <= letter <= "z"
        shifted.append(chr((ord(letter) - 97 + steps) % 26 + 97) if is_small else letter)
    return "".join(shifted)
