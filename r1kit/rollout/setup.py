"""From data sources to prompts, with every problem that is left out counted and said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from r1kit.config.data import ProblemData
from r1kit.config.sandbox import SandboxConfig
from r1kit.core.errors import DataError
from r1kit.core.problem import Problem, ProblemKind
from r1kit.models.policy import Policy
from r1kit.rewards.code.audit import CodeAudit, audit_code
from r1kit.rewards.code.judge import CodeJudge
from r1kit.rewards.math.audit import fault_of, faulty_golds
from r1kit.rollout.prompts import PromptedProblem, render_problems
from r1kit.tasks.problems import LoadedProblems, load_problems

_NUM_NAMED = 3


@dataclass(frozen=True, slots=True)
class UsableProblems:
    """Problems whose golds can be judged, where they came from, and what was left out by reason.

    `dropped` counts, the reasons of the loader included; `named` has the ids behind the reasons of the audit. `notes`
    are what else there is to say of the problems that are used.
    """

    problems: tuple[Problem, ...]
    data: ProblemData
    dropped: Mapping[str, int]
    named: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def announce(self, say: Callable[[str], None]) -> None:
        """Say how many problems there are and what was left out, before a model is loaded for them."""
        say(f"{self.data.path}: {left_out_in_words(len(self.problems), 'problems', self.reasons())}")
        for note in self.notes:
            say(f"{self.data.path}: {note}")

    def render(
        self, policy: Policy, max_new_tokens: int, say: Callable[[str], None]
    ) -> list[PromptedProblem]:
        """The problems as prompts of `policy`; how many are too long for one is said.

        So is when the model's context leaves some of them less room than `max_new_tokens`.

        Raises:
            DataError: no prompt is short enough, or one does not fit the context.
        """
        prompted, num_long = render_problems(policy, self.problems, self.data)
        if num_long:
            reasons = {f"prompt longer than {self.data.max_prompt_tokens} tokens": num_long}
            say(f"{self.data.path}: {left_out_in_words(len(prompted), 'problems', reasons)}")
        if policy.context_length is not None:
            self._compare_with_context(prompted, policy.context_length, max_new_tokens, say)
        return prompted

    def reasons(self) -> dict[str, int]:
        """How many problems were left out for each reason, with the ids of some."""
        return {reason + _some(self.named.get(reason, ())): count for reason, count in self.dropped.items()}

    def _compare_with_context(
        self,
        prompted: Sequence[PromptedProblem],
        context: int,
        max_new_tokens: int,
        say: Callable[[str], None],
    ) -> None:
        longest = max(prompted, key=lambda p: len(p.prompt_ids))
        if len(longest.prompt_ids) >= context:
            num_large = sum(len(p.prompt_ids) >= context for p in prompted)
            raise DataError(
                f"{self.data.path}: {num_large} prompts do not fit the model's context of {context} tokens (problem "
                f"{longest.problem.id}: {len(longest.prompt_ids)}); set data.max_prompt_tokens to leave them out"
            )
        num_tight = sum(len(p.prompt_ids) + max_new_tokens > context for p in prompted)
        if num_tight:
            say(
                f"{self.data.path}: {num_tight} prompts and {max_new_tokens} new tokens exceed the model's "
                f"context of {context}; their completions are cut off there and count as truncated"
            )


@dataclass(frozen=True, slots=True)
class Mixture:
    """The usable problems of one or more sources, each asked in the words of its own source."""

    sources: tuple[UsableProblems, ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems, source after source."""
        return tuple(problem for source in self.sources for problem in source.problems)

    @property
    def kinds(self) -> tuple[ProblemKind, ...]:
        """The kinds of problems that occur."""
        found = {problem.kind for problem in self.problems}
        return tuple(kind for kind in ProblemKind if kind in found)

    @property
    def dropped(self) -> dict[str, int]:
        """How many problems were left out by reason; with several sources, each reason behind its source."""
        return self._of_sources(lambda source: source.dropped)

    def reasons(self) -> dict[str, int]:
        """As `dropped`, with the ids of some."""
        return self._of_sources(lambda source: source.reasons())

    def announce(self, say: Callable[[str], None]) -> None:
        """As `UsableProblems.announce`, source after source."""
        for source in self.sources:
            source.announce(say)

    def render(
        self, policy: Policy, max_new_tokens: int, say: Callable[[str], None]
    ) -> list[PromptedProblem]:
        """As `UsableProblems.render`, source after source."""
        return [one for source in self.sources for one in source.render(policy, max_new_tokens, say)]

    def _of_sources(self, counts_of: Callable[[UsableProblems], Mapping[str, int]]) -> dict[str, int]:
        if len(self.sources) == 1:
            return dict(counts_of(self.sources[0]))
        counts: Counter[str] = Counter()
        for source in self.sources:
            counts.update({f"{source.data.path}: {reason}": n for reason, n in counts_of(source).items()})
        return dict(counts)


def left_out_in_words(count: int, noun: str, left_out: Mapping[str, int]) -> str:
    """`count` of `noun` that are used, and how many were left out for each reason."""
    return f"{count} {noun}" + "".join(
        f"; left out {number}: {reason}" for reason, number in left_out.items()
    )


def load_usable_problems(data: ProblemData, code: CodeJudge | None = None) -> UsableProblems:
    """The problems of `data` that can be judged; see `keep_usable`.

    Raises:
        DataError: the source cannot be read, or no usable problem is in it.
        SandboxError: there are code problems, and no sandbox holds.
    """
    return keep_usable(load_problems(data), code)


def load_mixture(sources: Sequence[ProblemData], code: CodeJudge | None = None) -> Mixture:
    """The problems of all `sources` that can be judged; see `keep_usable`.

    Raises:
        DataError: a source cannot be read or has no usable problem, or two sources have a problem of the same id.
        SandboxError: there are code problems, and no sandbox holds.
    """
    loaded = [load_problems(data) for data in sources]
    _check_ids(loaded)
    return Mixture(tuple(keep_usable(each, code) for each in loaded))


def _check_ids(loaded: Sequence[LoadedProblems]) -> None:
    """A problem's id seeds its completions and names it in the records, so it must be the only one of its id."""
    owners: dict[str, int] = {}
    for number, each in enumerate(loaded):
        for problem in each.problems:
            first = owners.setdefault(problem.id, number)
            if first != number:
                raise DataError(_same_id_in_words(problem.id, loaded[first].data, each.data))


def _same_id_in_words(name: str, first: ProblemData, second: ProblemData) -> str:
    if first.path == second.path and (first.subset, first.split) == (second.subset, second.split):
        return f'{first.path} is named twice as a source (both have a problem with id "{name}"); name it once'
    return (
        f'{first.path} and {second.path} both have a problem with id "{name}"; ids must be unique over all sources, so '
        "give the rows of one of them other ids, or map columns.id"
    )


def keep_usable(loaded: LoadedProblems, code: CodeJudge | None = None) -> UsableProblems:
    """`loaded` without what cannot be judged.

    That is math problems whose gold the checker does not understand (the audit of `r1kit grade --audit`), and code
    problems whose own solution does not pass its tests when `code` runs it.

    Raises:
        DataError: none is left.
        SandboxError: there are code problems, and no sandbox holds.
    """
    golds = faulty_golds(loaded.problems)
    audit, notes = _audited_code(loaded.problems, code or CodeJudge(SandboxConfig()))
    usable: list[Problem] = []
    named: dict[str, list[str]] = {}
    for problem in loaded.problems:
        fault = fault_of(problem, golds)
        reason = audit.faults.get(problem.id) if fault is None else f"{fault.kind}: {fault.reason}"
        if reason is None:
            usable.append(problem)
        else:
            named.setdefault(reason, []).append(problem.id)
    dropped = {**loaded.dropped, **{reason: len(ids) for reason, ids in named.items()}}
    if not usable:
        reasons = "; ".join(f"{n}: {reason}{_some(named.get(reason, ()))}" for reason, n in dropped.items())
        raise DataError(f"{loaded.data.path}: no problem can be used ({reasons})")
    return UsableProblems(tuple(usable), loaded.data, dropped, named, notes)


def _audited_code(problems: Sequence[Problem], code: CodeJudge) -> tuple[CodeAudit, list[str]]:
    """The audit of the code problems, and what there is to say of how they are judged."""
    if not any(problem.kind is ProblemKind.CODE for problem in problems):
        return CodeAudit({}, ()), []
    notes = []
    if code.config.unsafe:
        notes.append(
            "sandbox.unsafe: code runs without a jail, with limits alone; it can read and write what you can"
        )
    audit = audit_code(problems, code)
    if audit.weak:
        notes.append(
            f"{len(audit.weak)} problems have tests that rest in part on what the code says{_some(audit.weak)}"
        )
    return audit, notes


def _some(ids: Sequence[str]) -> str:
    """The first ids in brackets behind a reason; nothing when there are none."""
    shown = [*ids[:_NUM_NAMED], *(["..."] if len(ids) > _NUM_NAMED else [])]
    return f" ({', '.join(shown)})" if shown else ""
