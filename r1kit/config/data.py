"""Where problems and training texts come from, and how they are read."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field, field_validator, model_validator

from r1kit.config.section import Section, expand_home

PROMPT_NAMES: Final = ("boxed", "think_answer", "code", "complete_code")
"""Prompts that can be named instead of written out; their texts are in `tasks/prompts.py`."""


class DataSource(Section):
    """A JSONL file or a hub data set."""

    path: str = Field(min_length=1)
    """A .jsonl file, or the hub id of a data set."""
    subset: str | None = None
    """Configuration name of a hub data set."""
    split: str = "train"
    """Split of a hub data set; unused for a file."""
    revision: str | None = None
    """Branch, tag or commit of a hub data set; pin a commit for a run that must be repeatable."""
    limit: int | None = Field(default=None, ge=1)
    """Use only this many rows: the first ones of the file."""

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    @field_validator("path")
    @classmethod
    def _expand_home(cls, value: str) -> str:
        return expand_home(value)


class ProblemColumns(Section):
    """Names of the columns that hold a problem."""

    problem: str = "problem"
    """The question."""
    answer: str = "answer"
    """The gold answer: a string, a number, or a list of accepted strings."""
    id: str = "id"
    """A unique name; rows without one are numbered."""
    kind: str = "kind"
    """math, code or general; rows without one are of `data.kind`."""
    solution: str = "solution"
    """A code problem's own solution, which is run once against its tests; without this column, `answer`."""


class ProblemData(DataSource):
    """Problems with golds, and how a problem becomes a prompt."""

    columns: ProblemColumns = ProblemColumns()
    """Column names, when they differ from r1kit's."""
    kind: Literal["math", "code", "general"] = "math"
    """What rows are that do not say it themselves."""
    answer_after: str | None = None
    """Take the gold from what follows the last occurrence of this mark (GSM8K: `####`)."""
    prompt: str = "{problem}"
    """The user message: text with {problem} in it, or one of boxed, think_answer, code, complete_code."""
    shown_tests: Literal["first", "all"] = "first"
    """Asserts of a `test_list` that stand behind the problem: they name the function that is asked for."""
    system_prompt: str | None = None
    """A system message before the problem; R1-style models are used without one."""
    marked_only: bool = False
    """Count an answer only in <answer> or \\boxed{}, as DeepSeek-R1 does, and not one that is merely announced."""
    max_prompt_tokens: int | None = Field(default=None, ge=1)
    """Leave out problems whose prompt is longer; how many is reported."""

    @field_validator("prompt")
    @classmethod
    def _names_the_problem(cls, value: str) -> str:
        if value not in PROMPT_NAMES and "{problem}" not in value:
            raise ValueError(f"must contain {{problem}}, or be one of: {', '.join(PROMPT_NAMES)}")
        return value


class SftColumns(Section):
    """Names of the columns that hold a training text."""

    messages: str = "messages"
    """A conversation: a list of {role, content}; the last assistant turn is learned."""
    prompt: str = "prompt"
    """The user message, in data sets without conversations."""
    completion: str = "completion"
    """What is learned, in data sets without conversations."""


class SftData(DataSource):
    """Conversations or prompt/completion pairs."""

    columns: SftColumns = SftColumns()
    """Column names, when they differ from r1kit's."""


class PreferenceColumns(Section):
    """Names of the columns that hold a preference pair."""

    prompt: str = "prompt"
    """The user message, or a list of messages; not needed where chosen and rejected are whole conversations."""
    chosen: str = "chosen"
    """The better reply: a text, or a conversation that ends with it."""
    rejected: str = "rejected"
    """The worse reply to the same prompt."""
    margin: str = "margin"
    """By how much the better reply is better; rows may go without."""
    id: str = "id"
    """A unique name; rows without one are numbered."""


PreferenceLayout = Literal[
    "auto", "pairs", "ultrafeedback_binarized", "hh_rlhf", "safe_rlhf_helpful", "safe_rlhf_harmless"
]
_LAYOUTS: Final[dict[str, PreferenceLayout]] = {
    "huggingfaceh4/ultrafeedback_binarized": "ultrafeedback_binarized",
    "anthropic/hh-rlhf": "hh_rlhf",
}
_SAFE_RLHF: Final = "pku-alignment/pku-saferlhf"


class PreferenceData(DataSource):
    """Pairs of replies to one prompt, of which one is preferred."""

    columns: PreferenceColumns = PreferenceColumns()
    """Column names, when they differ from r1kit's."""
    layout: PreferenceLayout = "auto"
    """How a row holds a pair; auto goes by the hub id, and is pairs for everything else."""

    @model_validator(mode="before")
    @classmethod
    def _fill_up(cls, values: Any) -> Any:
        values = {"path": values} if isinstance(values, str) else values
        if not isinstance(values, dict):
            return values
        name = str(values.get("path", "")).lower()
        layout = values.get("layout", "auto")
        if layout == "auto" and name.startswith(_SAFE_RLHF):
            raise ValueError(
                f"{values['path']} says which reply is better and which is safer; set layout to safe_rlhf_helpful "
                "or safe_rlhf_harmless"
            )
        layout = _LAYOUTS.get(name, "pairs") if layout == "auto" else layout
        # UltraFeedback has no split called train.
        split = {"split": "train_prefs"} if layout == "ultrafeedback_binarized" else {}
        return {**split, **values, "layout": layout}
