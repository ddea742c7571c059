"""The loading layer: base, quantization, adapters, tokenizer, merge and export.

The only room that imports peft and bitsandbytes. `load.load_policy` is the door for every command.
"""

from __future__ import annotations

from r1kit.models.notes import drop_remarks

drop_remarks()
