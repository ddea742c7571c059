"""What a policy descends from, written beside its weights as lineage.json."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from r1kit.core.errors import ModelError

LINEAGE_FILE: Final = "lineage.json"


@dataclass(frozen=True)
class Stage:
    """One training stage: its name, seed, base model, and the fingerprint of the adapter it started from."""

    stage: str
    seed: int
    base: str
    parent: str | None


@dataclass(frozen=True)
class Lineage:
    """The base (hub id or absolute path, commit, fingerprint), the starting adapter, and all earlier stages.

    `adapter_fingerprint` is the SHA-256 of the starting adapter's weights, None when it was fresh.
    """

    base: str
    revision: str | None
    base_fingerprint: str
    quantization: str
    adapter: str | None = None
    adapter_fingerprint: str | None = None
    stages: tuple[Stage, ...] = ()

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of base and starting adapter together: equal for equal starting policies."""
        return hashlib.sha256(f"{self.base_fingerprint}:{self.adapter_fingerprint}".encode()).hexdigest()

    def with_stage(self, name: str, seed: int) -> Lineage:
        """This lineage with one more stage, trained from what this lineage describes."""
        stage = Stage(stage=name, seed=seed, base=self.base, parent=self.adapter_fingerprint)
        return replace(self, stages=(*self.stages, stage))

    def write(self, folder: Path) -> None:
        """Write lineage.json into `folder`."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"
        (folder / LINEAGE_FILE).write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Lineage | None:
        """The lineage in `folder`, or None if it holds none. Raises ModelError if the file is damaged."""
        path = folder / LINEAGE_FILE
        if not path.is_file():
            return None
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            stages = tuple(Stage(**stage) for stage in fields.pop("stages"))
            return cls(**fields, stages=stages)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(f"{path} is damaged ({error}); copy it again or delete it") from error
