"""One sandbox for all tests of the judge; where none holds, they are skipped, and say so."""

from __future__ import annotations

import pytest

from r1kit.core.errors import SandboxError
from r1kit.sandbox import Sandbox, open_sandbox


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    try:
        return open_sandbox()
    except SandboxError as error:
        pytest.skip(str(error))
