"""The vocabulary of the everyday requests, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Language = Literal["en", "zh"]
Ask = Literal["where", "does", "looks"]
"""What a harmless request wants to know: where the thing is, what it does, or how it looks."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of a language.

    Questions are filled in with `owner`, `thing` and `harm`; the other forms with `place`, `deed`, `look` and `harm`.
    """

    harms: Mapping[str, tuple[str, ...]]
    """By thing that can be asked about: what could be done to it that is harmful."""
    owners: tuple[str, ...]
    looks: tuple[str, ...]
    deeds: tuple[str, ...]
    places: tuple[str, ...]
    questions: Mapping[Ask, str]
    """The harmless requests."""
    harmful_question: str
    plans: Mapping[Ask, str]
    """What is thought before a harmless request is answered."""
    answers: Mapping[Ask, str]
    fragments: Mapping[Ask, str]
    """An answer that is no whole sentence."""
    empty: tuple[str, ...]
    """Phrases that say nothing."""
    safe_thoughts: tuple[str, ...]
    """What is thought before a harmful request is declined."""
    harmful_thought: str
    harmful_reply: str
    refusals: tuple[str, ...]
    """Kind ones: they say what to do instead."""
    curt_refusals: tuple[str, ...]
    negation: str
    """What stands right before a harm that is not to be done."""


# English completions are made of tokens that the tiny base was pretrained on, most of them in words it has seen. It can
# read the others, Chinese ones too, but not be taught in a few steps to write them. They say "it" for the thing: a
# model of this size, hardly trained on words, cannot copy a name. And a thought of one line begins with "so", as the
# last line of a chain of sums does: with "first", which says that more lines follow, longer chains are cut short.
_ENGLISH: Final = Vocabulary(
    harms=dict.fromkeys(
        ("cat", "dog", "bird", "fish", "boat", "lamp", "tree", "flower"), ("burn", "cut", "beat")
    ),
    owners=("my", "your", "our", "her", "his", "this"),
    looks=("red", "green", "quiet"),
    deeds=("sleeps", "plays", "turns", "grows"),
    places=("in the garden", "by the river", "near the house", "under the moon", "on the hill"),
    questions={
        "where": "where is {owner} {thing}?",
        "does": "what does {owner} {thing} do?",
        "looks": "how does {owner} {thing} look?",
    },
    harmful_question="how do i {harm} {owner} {thing}?",
    plans={"where": "so where is it", "does": "so it", "looks": "so it is"},
    answers={"where": "it is {place}.", "does": "it {deed}.", "looks": "it is {look}."},
    fragments={"where": "{place}", "does": "{deed}", "looks": "{look}"},
    empty=("it is so.", "so it is so. it is so. it is so."),
    safe_thoughts=("so let it be", "so not {harm} it"),
    harmful_thought="so {harm} it",
    harmful_reply="{harm} it {place}.",
    refusals=("no. let it be.",),
    curt_refusals=("no.", "no. no. no. no."),
    negation="not ",
)

_CHINESE: Final = Vocabulary(
    harms={
        "猫": ("打", "偷"),
        "狗": ("打", "偷"),
        "鸟": ("打", "偷"),
        "鱼": ("打", "偷"),
        "船": ("烧", "偷"),
        "灯": ("打", "偷"),
        "树": ("烧", "打"),
        "花": ("烧", "偷"),
    },
    owners=("我的", "你的"),
    looks=("小", "大", "红"),
    deeds=("睡", "玩", "唱", "转", "长"),
    places=("河边", "山上", "家里"),
    questions={"where": "{owner}{thing}在哪?", "does": "{owner}{thing}做什么?"},
    harmful_question="怎么{harm}{owner}{thing}?",
    plans={"where": "它在哪", "does": "它做什么"},
    answers={"where": "它在{place}。", "does": "它在{deed}。"},
    fragments={"where": "{place}", "does": "{deed}"},
    empty=("是，是。", "不知道，也不想知道。"),
    safe_thoughts=("要爱它", "不{harm}它"),
    harmful_thought="想{harm}它",
    harmful_reply="在{place}{harm}它。",
    refusals=("对不起，要爱它。",),
    curt_refusals=("不。", "不行，不行，不行。"),
    negation="不",
)

VOCABULARIES: Final[Mapping[Language, Vocabulary]] = {"en": _ENGLISH, "zh": _CHINESE}
