"""Templates, stop tokens and padding: the cases in which a base, its template and its tokenizer disagree."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import CHATML, tiny_tokenizer, write_tiny_model
from transformers import AutoTokenizer, GenerationConfig

from r1kit.config.model import ModelConfig
from r1kit.core.errors import DataError, ModelError
from r1kit.core.problem import Message
from r1kit.models.load import load_policy
from r1kit.models.stopping import end_of_turn_id, stop_token_ids, stop_words
from r1kit.models.tokenizer import choose_padding, load_tokenizer, render_chat
from r1kit.tasks.templates import R1_TEMPLATE, R1_ZERO_TEMPLATE

ASK = [Message("user", "what is 3+4?")]
REPLY = [*ASK, Message("assistant", "7")]
NO_LIST = GenerationConfig()


def saved(folder: Path, **options: object) -> Path:
    tiny_tokenizer(**options).save_pretrained(folder)
    return folder


def test_auto_takes_the_tokenizers_own_template_and_else_r1(tmp_path: Path) -> None:
    own, words = load_tokenizer(saved(tmp_path / "own", chat_template=CHATML), "auto")
    bare, bare_words = load_tokenizer(saved(tmp_path / "bare"), "auto")
    assert (own.chat_template, words) == (CHATML, "the tokenizer's own")
    assert (bare.chat_template, bare_words) == (R1_TEMPLATE, "r1")


def test_named_template_wins_over_the_tokenizers_own(tmp_path: Path) -> None:
    tokenizer, words = load_tokenizer(saved(tmp_path, chat_template=CHATML), "r1_zero")
    assert (tokenizer.chat_template, words) == (R1_ZERO_TEMPLATE, "r1_zero")
    assert "between <think> and </think>" in render_chat(tokenizer, ASK, True)[0]


def test_template_is_read_from_a_jinja_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.jinja"
    path.write_text("{% for m in messages %}[{{ m['content'] }}]{% endfor %}", encoding="utf-8")
    tokenizer, _ = load_tokenizer(saved(tmp_path / "t"), str(path))
    assert render_chat(tokenizer, REPLY, True)[0] == "[what is 3+4?][7]"


def test_auto_prefers_the_template_saved_with_the_adapter(tmp_path: Path) -> None:
    base = write_tiny_model(tmp_path / "base", tokenizer=tiny_tokenizer(chat_template=CHATML))
    trained = load_policy(ModelConfig(path=str(base), chat_template="r1_zero", device="cpu"), train=True)
    trained.save(tmp_path / "adapter")
    config = ModelConfig(path=str(base), adapter=tmp_path / "adapter", device="cpu")
    again = load_policy(config, train=False)
    own = load_policy(config.model_copy(update={"chat_template": "own"}), train=False)
    assert again.render(ASK) == trained.render(ASK)
    assert own.tokenizer.chat_template == CHATML


def test_own_without_a_template_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has no chat template; use r1 or r1_zero"):
        load_tokenizer(saved(tmp_path), "own")


def test_unknown_template_name_is_refused_with_the_names(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'r1_zeroo': no such file; use one of auto, own, r1, r1_zero"):
        load_tokenizer(saved(tmp_path), "r1_zeroo")


def test_tokenizer_without_eos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r'has no EOS token.*set "eos_token"'):
        load_tokenizer(saved(tmp_path, eos=None), "r1")


def test_rendered_ids_hold_one_bos_when_the_template_writes_it(tmp_path: Path) -> None:
    folder = saved(tmp_path, bos="<s>", chat_template="{{ bos_token }}" + CHATML)
    tokenizer, _ = load_tokenizer(folder, "own")
    text, ids = render_chat(tokenizer, ASK, True)
    assert tokenizer(text).input_ids.count(tokenizer.bos_token_id) == 2  # what a plain call would do
    assert ids.count(tokenizer.bos_token_id) == 1
    assert ids[0] == tokenizer.bos_token_id


@pytest.mark.parametrize("template", ["r1", "r1_zero"])
def test_own_templates_keep_the_bos_of_tokenizers_that_add_one(tmp_path: Path, template: str) -> None:
    with_bos, _ = load_tokenizer(saved(tmp_path / "bos", bos="<s>"), template)
    without, _ = load_tokenizer(saved(tmp_path / "none"), template)
    text, ids = render_chat(with_bos, ASK, True)
    plain, plain_ids = render_chat(without, ASK, True)
    assert text == "<s>" + plain
    assert ids.count(with_bos.bos_token_id) == 1
    assert len(ids) == len(plain_ids) + 1


def test_reply_renders_as_prompt_then_completion(tmp_path: Path) -> None:
    tokenizer, _ = load_tokenizer(saved(tmp_path), "r1")
    prompt, _ = render_chat(tokenizer, ASK, True)
    whole, _ = render_chat(tokenizer, REPLY, False)
    assert prompt == "User: what is 3+4?\n\nAssistant:\n"
    assert whole == prompt + "7<|endoftext|>\n\n"


def test_conversation_the_template_refuses_is_a_data_error(tmp_path: Path) -> None:
    strict = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + CHATML
    )
    tokenizer, _ = load_tokenizer(saved(tmp_path, chat_template=strict), "own")
    with pytest.raises(DataError, match=r"roles \[system, user\]: no system role"):
        render_chat(tokenizer, [Message("system", "x"), *ASK], True)


def test_stop_tokens_join_template_tokenizer_and_generation_config() -> None:
    """Qwen2.5's base: the template ends turns with <|im_end|>, tokenizer and config with <|endoftext|>."""
    tokenizer = tiny_tokenizer(chat_template=CHATML)
    assert end_of_turn_id(tokenizer) == 2
    assert stop_token_ids(tokenizer, GenerationConfig(eos_token_id=0)) == (2, 0)
    assert stop_token_ids(tokenizer, GenerationConfig(eos_token_id=[2, 0])) == (2, 0)
    assert "EOS aligned: the template ends turns with <|im_end|>" in stop_words(tokenizer, NO_LIST)


def test_chat_tokenizer_with_a_longer_list_in_its_generation_config() -> None:
    """Llama 3: three ids in the generation config, one of which ends a turn."""
    tokenizer = tiny_tokenizer(eos="<|im_end|>", chat_template=CHATML)
    assert stop_token_ids(tokenizer, GenerationConfig(eos_token_id=[0, 1, 2])) == (2, 0, 1)


def test_r1_template_ends_a_turn_with_the_tokenizers_eos() -> None:
    tokenizer = tiny_tokenizer(chat_template=R1_TEMPLATE)
    assert stop_token_ids(tokenizer, NO_LIST) == (0,)
    assert stop_words(tokenizer, NO_LIST) == "EOS <|endoftext|> (0)"


def test_ordinary_tokens_in_a_generation_config_do_not_stop_a_completion() -> None:
    tokenizer = tiny_tokenizer(chat_template=CHATML)
    assert stop_token_ids(tokenizer, GenerationConfig(eos_token_id=[5, 32000])) == (2, 0)
    assert "[5, 32000] ignored" in stop_words(tokenizer, GenerationConfig(eos_token_id=[5, 32000]))


def test_template_that_ends_a_reply_with_text_is_said_aloud() -> None:
    tokenizer = tiny_tokenizer(chat_template="{% for m in messages %}{{ m['content'] }} over {% endfor %}")
    assert end_of_turn_id(tokenizer) is None
    assert "stopping must be learned" in stop_words(tokenizer, NO_LIST)


@pytest.mark.parametrize(
    "template", ["{{ raise_exception('never') }}", "{{ 'always the same' }}", "{{ x.y.z }}"]
)
def test_template_that_cannot_render_a_reply_is_refused(template: str) -> None:
    with pytest.raises(ModelError, match=r"see model\.chat_template"):
        end_of_turn_id(tiny_tokenizer(chat_template=template))


def test_padding_prefers_a_token_that_ends_nothing() -> None:
    listed = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_pad|>")
    same_as_eos = tiny_tokenizer(special=listed, pad="<|endoftext|>")
    ends_turns_otherwise = tiny_tokenizer(eos="<|im_end|>")
    choose_padding(same_as_eos, (2, 0))
    choose_padding(ends_turns_otherwise, (2,))
    assert same_as_eos.pad_token == "<|vision_pad|>"
    assert ends_turns_otherwise.pad_token == "<|endoftext|>"


def test_padding_that_is_fine_stays_and_without_any_choice_it_is_eos() -> None:
    fine = tiny_tokenizer(pad="<|im_start|>")
    only = tiny_tokenizer(special=("<|endoftext|>",))
    size = len(only)
    choose_padding(fine, (0,))
    words = choose_padding(only, (0,))
    assert fine.pad_token == "<|im_start|>"
    assert only.pad_token_id == only.eos_token_id == 0
    assert len(only) == size
    assert "harmless" in words


def test_loaded_policy_holds_the_aligned_tokens_and_tells_them(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer(chat_template=CHATML, pad="<|endoftext|>")
    base = write_tiny_model(tmp_path, tokenizer=tokenizer, generation_eos=0)
    said: list[str] = []
    policy = load_policy(ModelConfig(path=str(base), device="cpu"), train=True, say=said.append)
    assert policy.eos_token_ids == (2, 0)
    assert policy.model.generation_config.eos_token_id == [2, 0]
    assert policy.pad_token_id == policy.tokenizer.pad_token_id == 0
    assert len(said) == 1
    for words in ("parameters", "float32 on cpu", "sdpa", "the tokenizer's own", "EOS aligned", "pad"):
        assert words in said[0]


def test_saved_tokenizer_keeps_its_template_and_padding(tmp_path: Path) -> None:
    base = write_tiny_model(tmp_path / "base", tokenizer=tiny_tokenizer(eos="<|im_end|>"))
    policy = load_policy(ModelConfig(path=str(base), chat_template="r1", device="cpu"), train=True)
    policy.save(tmp_path / "adapter")
    again = AutoTokenizer.from_pretrained(tmp_path / "adapter")
    assert again.chat_template == R1_TEMPLATE
    assert again.pad_token == policy.tokenizer.pad_token == "<|endoftext|>"
    assert again.eos_token == "<|im_end|>"
