"""Seeds derived from what they are for, so that a result does not depend on the order of the work."""

from __future__ import annotations

import hashlib


def derive_seed(*parts: str | int) -> int:
    """A seed in [0, 2**63) that depends on every part and on nothing else.

    The hash is stable across processes, platforms and Python versions (BLAKE2b over the length-prefixed
    parts), unlike `hash()`. Use it as `derive_seed(run_seed, "grpo", step, problem.id, index)`.
    """
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        encoded = f"{type(part).__name__}:{part}".encode()
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    return int.from_bytes(digest.digest(), "little") >> 1
