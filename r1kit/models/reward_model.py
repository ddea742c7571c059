"""Reward models: an adapter and a scalar head beside the policy, on the policy's base.

Policy, reference and reward models share one set of base weights. A reward model whose base is not the policy's, or
whose policy changes the base, is loaded with a base of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from transformers import PreTrainedTokenizerBase

from r1kit.config.model import ModelConfig
from r1kit.core.errors import ModelError
from r1kit.core.rollout import JudgedText
from r1kit.models.adapter import POLICY_ADAPTER, REWARD_ADAPTERS
from r1kit.models.adapter_folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from r1kit.models.folder import whole_folder
from r1kit.models.folding import folded_adapters
from r1kit.models.lineage import LINEAGE_FILE, Lineage
from r1kit.models.load import load_policy
from r1kit.models.modes import evaluation_mode
from r1kit.models.policy import Policy
from r1kit.models.reward_info import RewardInfo
from r1kit.models.scalar_head import SCALAR_HEAD_FILE, ScalarHead, hidden_size_of
from r1kit.models.scores import score_trees
from r1kit.models.side_adapter import add_side_adapter, side_adapter_active
from r1kit.models.texts import TextIds, text_ids
from r1kit.models.tokenizer import load_tokenizer
from r1kit.ops.out_of_memory import free_memory, is_out_of_memory
from r1kit.ops.trees import Tree, tree_slices

SCORED_TOKENS: Final = 8192
"""Most tokens of a forward pass while scoring, where nobody says otherwise."""
_FILES: Final = (ADAPTER_CONFIG, ADAPTER_WEIGHTS, SCALAR_HEAD_FILE)


@dataclass(frozen=True)
class RewardModel:
    """A scalar judgement of replies.

    Attributes:
        label: what it is called in metrics and messages.
        info: what it judges, and how good it was on held-out pairs.
        policy: the model that carries the adapter; the policy that is trained, where the base is shared.
        adapter: the name of its adapter on that model.
    """

    label: str
    info: RewardInfo
    policy: Policy = field(repr=False)
    adapter: str
    head: ScalarHead = field(repr=False)
    tokenizer: PreTrainedTokenizerBase = field(repr=False)

    def score(self, texts: Sequence[JudgedText], *, max_tokens: int = SCORED_TOKENS) -> list[float]:
        """A score for each text, in standard deviations above the mean of the held-out replies.

        Texts are scored `max_tokens` at a time, those of a prompt side by side; fewer where memory runs out. The
        policy is left as it was.
        """
        return [self.info.normalised(score) for score in self.raw_scores(texts, max_tokens=max_tokens)]

    def raw_scores(self, texts: Sequence[JudgedText], *, max_tokens: int = SCORED_TOKENS) -> list[float]:
        """As `score`, as the head says it."""
        ids = [text_ids(self.tokenizer, self.info.eos_token_id, text.messages, text.reply) for text in texts]
        with self._ready():
            while True:
                try:
                    return self._score_all(ids, max_tokens)
                except RuntimeError as error:
                    if not is_out_of_memory(error) or max_tokens <= max(map(len, ids)):
                        raise
                # Outside the except block: the traceback would keep the tensors of the failed pass.
                max_tokens //= 2
                free_memory()

    @contextmanager
    def _ready(self) -> Iterator[None]:
        """The model computes as this reward model, without gradient; on exit it is the policy again."""
        model = self.policy.model
        with evaluation_mode(model), side_adapter_active(model, self.adapter), folded_adapters(model):
            yield

    def _score_all(self, ids: Sequence[TextIds], max_tokens: int) -> list[float]:
        places: dict[tuple[int, ...], list[int]] = {}
        for place, text in enumerate(ids):
            places.setdefault(text.prompt_ids, []).append(place)
        families = list(places.items())
        trees = [Tree(prompt, tuple(ids[i].completion_ids for i in family)) for prompt, family in families]
        scores = [0.0] * len(ids)
        for part in tree_slices(trees, max_tokens):
            held = [
                Tree(trees[n].prompt_ids, tuple(trees[n].completions[i] for i in chosen))
                for n, chosen in part
            ]
            order = [families[n][1][i] for n, chosen in part for i in chosen]
            found = score_trees(self.policy, self.head, held).tolist()
            for place, score in zip(order, found, strict=True):
                scores[place] = score
        return scores


def attach_reward_model(
    policy: Policy, folder: Path, label: str, say: Callable[[str], None] | None = None
) -> RewardModel:
    """The reward model in `folder`, ready to score, as a second frozen adapter on the policy's base.

    Where the policy is on another base, or trains all weights of its base, the reward model gets a base of its own. What
    was done is told to `say`, in one line.

    Raises:
        ModelError: `folder` holds no reward model, or its base cannot be found.
    """
    folder = folder.expanduser().resolve()
    info, lineage = RewardInfo.read(folder), _check_folder(folder)
    apart = _why_apart(policy, lineage)
    if apart is not None:
        model = load_reward_model(folder, label, device=str(policy.device))
        _tell(say, f"{_in_words(model)}; its base is loaded a second time, since {apart}")
        return model
    head = ScalarHead.load(folder, policy.device).requires_grad_(False)
    _check_width(folder, head, policy)
    name = adapter_name(label)
    tokenizer, _ = load_tokenizer(folder, "own")
    add_side_adapter(policy.model, folder, name, policy.device, policy.dtype)
    model = RewardModel(label, info, policy, name, head, tokenizer)
    _tell(say, f"{_in_words(model)}; on the policy's base{_differences(policy, lineage, info)}")
    return model


def load_reward_model(
    folder: Path, label: str, *, device: str = "auto", say: Callable[[str], None] | None = None
) -> RewardModel:
    """The reward model in `folder` on a base of its own, quantized as it was in training.

    Raises:
        ModelError: `folder` holds no reward model, or its base cannot be found.
    """
    folder = folder.expanduser().resolve()
    info, lineage = RewardInfo.read(folder), _check_folder(folder)
    config = ModelConfig(
        path=lineage.base,
        revision=lineage.revision,
        adapter=folder,
        quantization=lineage.quantization,
        device=device,
    )
    try:
        policy = load_policy(config, train=False)
    except ModelError as error:
        raise ModelError(f"reward model {folder}: {error}") from error
    head = ScalarHead.load(folder, policy.device).requires_grad_(False)
    _check_width(folder, head, policy)
    model = RewardModel(label, info, policy, POLICY_ADAPTER, head, policy.tokenizer)
    _tell(say, _in_words(model))
    return model


def save_reward_model(policy: Policy, head: ScalarHead, info: RewardInfo, folder: Path, *, seed: int) -> None:
    """Write the trained adapter of `policy`, the head, `info`, tokenizer and lineage to `folder`.

    The folder appears whole or not at all. Raises as `folder.whole_folder`.
    """
    with whole_folder(folder) as partial:
        policy.save(partial, stage="reward-model", seed=seed)
        head.save(partial)
        info.write(partial)


def adapter_name(label: str) -> str:
    """What the adapter of the reward model called `label` is called on the model; no two labels share a name."""
    return REWARD_ADAPTERS + "".join(c if c.isascii() and c.isalnum() else f"_{ord(c):x}_" for c in label)


def check_reward_model(folder: Path) -> None:
    """Look whether `folder` holds a whole reward model, without loading any of it.

    Raises:
        ModelError: something of it is missing or damaged.
    """
    folder = folder.expanduser().resolve()
    RewardInfo.read(folder)
    _check_folder(folder)


def _check_folder(folder: Path) -> Lineage:
    lineage = Lineage.read(folder)
    missing = next((name for name in _FILES if not (folder / name).is_file()), None)
    if lineage is None or missing is not None:
        raise ModelError(
            f"reward model {folder}: {missing or LINEAGE_FILE} is missing; copy the whole folder again"
        )
    return lineage


def _why_apart(policy: Policy, lineage: Lineage) -> str | None:
    """Why the policy's base cannot carry the reward model; None when it can."""
    if policy.lineage.base_fingerprint != lineage.base_fingerprint:
        return f"it was trained on {lineage.base}, and the policy is on {policy.lineage.base}"
    if policy.config.tuning == "full" and policy.num_trainable:
        return "model.tuning full changes the policy's (lora would share it)"
    return None


def _check_width(folder: Path, head: ScalarHead, policy: Policy) -> None:
    width = hidden_size_of(policy.model)
    if len(head.weight) != width:
        raise ModelError(
            f"reward model {folder}: its head takes {len(head.weight)} numbers, and the model gives {width}"
        )


def _differences(policy: Policy, lineage: Lineage, info: RewardInfo) -> str:
    """What is not as it was in training, which moves the scores a little."""
    dtype = str(policy.dtype).removeprefix("torch.")
    pairs = [
        ("quantization", lineage.quantization, policy.config.quantization),
        ("dtype", info.dtype, dtype),
    ]
    moved = [f"{name} {now}, trained with {then}" for name, then, now in pairs if now != then]
    return f" ({'; '.join(moved)}: its scores are not quite those of its training)" if moved else ""


def _in_words(model: RewardModel) -> str:
    low, high = model.info.accuracy_interval
    return (
        f"reward model {model.label}: judges the {model.info.span}, right on {model.info.accuracy:.1%} of "
        f"{model.info.num_pairs} held-out pairs ({low:.1%} to {high:.1%})"
    )


def _tell(say: Callable[[str], None] | None, text: str) -> None:
    if say is not None:
        say(text)
