import pytest
import torch
from tiny_models import CHATML, tiny_tokenizer, write_tiny_model

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.core.errors import DataError
from r1kit.core.problem import Message
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy
from r1kit.sft.examples import SftExample, token_batches, tokenize, tokenize_all
from r1kit.tasks.conversations import Conversation
from r1kit.training.forward import trained_logprobs

THINKING = "<think>\n3+4=7\n</think>\n<answer>7</answer>"


@pytest.fixture(scope="module")
def policy(tmp_path_factory) -> Policy:
    folder = write_tiny_model(tmp_path_factory.mktemp("sft") / "model", "qwen2")
    return load_policy(ModelConfig(path=str(folder), lora=LoraConfig(rank=4, alpha=8)), train=True)


def conversation(question: str = "3+4", reply: str = THINKING) -> Conversation:
    return Conversation("c", (Message("user", question), Message("assistant", reply)))


def examples() -> list[SftExample]:
    lengths = [(5, 9), (3, 30), (12, 4), (7, 7), (2, 15)]
    return [
        SftExample(tuple(range(20 + i, 20 + i + p)), tuple(range(90 + 9 * i, 90 + 9 * i + c)))
        for i, (p, c) in enumerate(lengths)
    ]


def test_prompt_and_completion_are_what_the_template_shows(policy):
    example = tokenize(policy, conversation())
    decode = policy.tokenizer.decode
    assert decode(example.prompt_ids) == "User: 3+4\n\nAssistant:\n"
    assert decode(example.completion_ids) == THINKING + "<|endoftext|>"


def test_the_turn_ends_with_the_templates_token_and_reasoning_survives_templates_that_drop_it(tmp_path):
    dropping = CHATML.replace("+ message['content'] ", "+ message['content'].split('</think>')[-1] ")
    assert dropping != CHATML
    folder = write_tiny_model(tmp_path / "model", tokenizer=tiny_tokenizer(chat_template=dropping))
    policy = load_policy(ModelConfig(path=str(folder)), train=False)
    example = tokenize(policy, conversation())
    assert policy.tokenizer.decode(example.completion_ids) == THINKING + "<|im_end|>"
    assert policy.tokenizer.decode(example.prompt_ids).endswith("<|im_start|>assistant\n")


def test_reasoning_that_the_template_opens_is_not_opened_twice(tmp_path):
    opening = CHATML.replace("assistant\\n' }}{% endif %}", "assistant\\n<think>\\n' }}{% endif %}")
    assert opening != CHATML
    folder = write_tiny_model(tmp_path / "model", tokenizer=tiny_tokenizer(chat_template=opening))
    policy = load_policy(ModelConfig(path=str(folder)), train=False)
    example = tokenize(policy, conversation())
    text = policy.tokenizer.decode([*example.prompt_ids, *example.completion_ids])
    assert text.endswith("<|im_start|>assistant\n" + THINKING + "<|im_end|>")


def test_texts_that_are_too_long_are_left_out_and_counted(policy):
    texts = [conversation(), conversation(reply=THINKING * 5)]
    length = len(tokenize(policy, texts[0]))
    kept, num_long = tokenize_all(policy, texts, length, "x.jsonl")
    assert ([len(example) for example in kept], num_long) == ([length], 1)
    with pytest.raises(DataError, match=rf"longer than max_length {length - 1}; the shortest has {length}"):
        tokenize_all(policy, texts, length - 1, "x.jsonl")


@pytest.mark.parametrize("max_tokens", [4000, 50, 1])
def test_every_completion_token_is_trained_once_and_no_prompt_token(policy, max_tokens):
    batches = token_batches(policy, examples(), max_tokens)
    trained = sorted(token for batch in batches for token in batch.packed.targets.tolist())
    assert trained == sorted(t for e in examples() for t in e.completion_ids)


def test_no_token_is_spent_on_padding(policy):
    batches = token_batches(policy, examples(), 60)
    assert sum(len(batch.packed.input_ids) for batch in batches) == sum(map(len, examples()))
    assert [len(batch.packed.input_ids) for batch in batches] == [33 + 17, 16 + 14 + 14]


def loss_gradients(policy: Policy, max_tokens: int) -> list[torch.Tensor]:
    batches = token_batches(policy, examples(), max_tokens)
    loss = -sum(trained_logprobs(policy, batch).logprobs.sum() for batch in batches) / 65
    return [loss.detach(), *torch.autograd.grad(loss, policy.trainable_parameters())]


def test_micro_batches_change_neither_loss_nor_gradient(policy):
    expected = loss_gradients(policy, 1)
    for max_tokens in (4000, 70):
        for one, other in zip(loss_gradients(policy, max_tokens), expected, strict=True):
            torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)
