"""The model card of an exported policy."""

from __future__ import annotations

from pathlib import Path

from r1kit.models.lineage import Lineage

_MERGED_USE = """```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("PATH", dtype="auto")
tokenizer = AutoTokenizer.from_pretrained("PATH")
```"""

_ADAPTER_USE = """```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = AutoModelForCausalLM.from_pretrained("BASE", dtype="auto")
model = PeftModel.from_pretrained(base, "PATH")
tokenizer = AutoTokenizer.from_pretrained("PATH")
```"""


def model_card(lineage: Lineage, *, name: str, merged: bool, notes: tuple[str, ...] = ()) -> str:
    """The text of README.md: what the model is, what it was trained from, in which stages, how to load it."""
    kind = "full weights, adapter merged in" if merged else "LoRA adapter"
    usage = (
        (_MERGED_USE if merged else _ADAPTER_USE).replace("BASE", _public(lineage.base)).replace("PATH", name)
    )
    parts = [
        _front_matter(lineage, merged),
        f"# {name}",
        f"Trained with r1kit; {kind}.",
        "## Origin",
        _origin(lineage, notes),
        "## Stages",
        _stages(lineage),
        "## Use",
        usage,
        "The chat template is saved with the tokenizer, the tokens that end a reply in generation_config.json.",
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(lineage: Lineage, merged: bool) -> str:
    # base_model must be a hub id; a local path would be a dead link.
    base = f"base_model: {lineage.base}\n" if lineage.revision else ""
    library = "transformers" if merged else "peft"
    return f"---\n{base}library_name: {library}\npipeline_tag: text-generation\ntags: [r1kit]\n---"


def _origin(lineage: Lineage, notes: tuple[str, ...]) -> str:
    revision = f" at revision {lineage.revision}" if lineage.revision else ""
    lines = [
        f"Base: {_public(lineage.base)}{revision}",
        f"Base fingerprint: {lineage.base_fingerprint}",
        f"Base weights during training: {_WEIGHTS[lineage.quantization]}",
        *notes,
    ]
    return "\n".join(f"- {line}" for line in lines)


_WEIGHTS = {"none": "not quantized", "nf4": "4-bit NF4", "int8": "8-bit"}


def _stages(lineage: Lineage) -> str:
    if not lineage.stages:
        return "None recorded."
    rows = [
        f"| {number} | {stage.stage} | {stage.seed} | {_public(stage.base)} | {(stage.parent or 'fresh')[:12]} |"
        for number, stage in enumerate(lineage.stages, start=1)
    ]
    return "\n".join(["| | stage | seed | base | started from |", "|---|---|---|---|---|", *rows])


def _public(base: str) -> str:
    """A hub id as it is, a local folder without the path to it, which is nobody else's business."""
    return Path(base).name if Path(base).is_absolute() else base
