"""A little English that is not arithmetic: questions about everyday things and one-sentence replies."""

from __future__ import annotations

import random
from typing import Final

_THINGS: Final = {
    "cat": ("sleeps", "plays", "runs"),
    "dog": ("sleeps", "plays", "runs"),
    "bird": ("sings", "rests", "plays"),
    "fish": ("swims", "rests", "plays"),
    "boat": ("rests", "turns", "shines"),
    "lamp": ("shines", "rests", "turns"),
    "tree": ("grows", "rests", "shines"),
    "flower": ("grows", "shines", "turns"),
}
_LOOKS: Final = ("small", "old", "red", "green", "quiet", "happy")
_PLACES: Final = ("in the garden", "by the river", "near the house", "under the moon", "on the hill")
_QUESTIONS: Final = ("tell me about the {thing}", "where is the {thing}?", "what does the {thing} do?")


def draw_exchange(rng: random.Random) -> tuple[str, str]:
    """A question and its reply, one sentence each, without digits, tags or Chinese."""
    thing = rng.choice(list(_THINGS))
    question = rng.choice(_QUESTIONS).format(thing=thing)
    sentence = f"the {rng.choice(_LOOKS)} {thing} {rng.choice(_THINGS[thing])} {rng.choice(_PLACES)}."
    return question, sentence
