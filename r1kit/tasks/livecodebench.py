"""LiveCodeBench, from the files of its data set (Jain et al. 2024, "LiveCodeBench").

The data set comes with a script, which is not run: its JSONL files are fetched and read as they are. The hidden tests
in them are packed (base64 of zlib of a pickle of a JSON text); the pickle is read without any class or function.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import pickle
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from r1kit.config.data import DataSource
from r1kit.core.errors import DataError, EnvironmentError_, first_line
from r1kit.core.jsonl import read_jsonl

HUB_ID: Final = "livecodebench/code_generation_lite"
REVISION: Final = "0fe84c3912ea0c4d4a78037083943e8f0c4dd505"
"""The last commit of the data set that is known to be good; it holds the releases 1 to 6."""
DEFAULT_RELEASE: Final = "v6"
"""What release 6 added: problems of 2025, the newest there are."""

PRELUDE: Final = """from typing import *
from collections import *
from functools import *
from heapq import *
from itertools import *
import bisect, collections, functools, heapq, itertools, math, random, re, string, sys
"""
"""What the site that the functions come from imports by itself; its starter code uses List and Optional."""

_PUBLIC: Final = "public_test_cases"
_PRIVATE: Final = "private_test_cases"
_NUM_RELEASES: Final = 6
_RELEASE: Final = re.compile(rf"(release_)?v([1-{_NUM_RELEASES}])")
_MOST_BYTES: Final = 2**30


def read_release(source: DataSource) -> Iterator[Mapping[str, Any]]:
    """The rows of a release on the hub: `source.subset` is `v5` (what release 5 added), or `release_v5` (1 to 5).

    Raises:
        DataError: there is no such release or revision.
        EnvironmentError_: a file cannot be downloaded and is not in the local cache.
    """
    for name in release_files(source.subset or DEFAULT_RELEASE):
        for _, values in read_jsonl(_downloaded(name, source.revision)):
            yield values


def release_files(release: str) -> list[str]:
    """The files of a release, oldest first. Raises DataError when there is none of that name."""
    found = _RELEASE.fullmatch(release)
    if found is None:
        raise DataError(
            f"{HUB_ID}: no release {release!r}; data.subset is v1 to v{_NUM_RELEASES} (the problems that it added) "
            f"or release_v1 to release_v{_NUM_RELEASES} (all problems until then)"
        )
    last = int(found[2])
    numbers = range(1, last + 1) if found[1] else [last]
    return [f"test{number if number > 1 else ''}.jsonl" for number in numbers]


def in_own_form(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row of LiveCodeBench in r1kit's own form; every other row as it is.

    Raises:
        ValueError: its tests cannot be read.
    """
    if not {"question_content", _PUBLIC} <= values.keys():
        return values
    try:
        tests = _tests(values)
    except (TypeError, LookupError, AttributeError) as error:
        raise ValueError(first_line(error) if isinstance(error, TypeError) else repr(error)) from error
    return {
        "id": values.get("question_id"),
        "kind": "code",
        "problem": _statement(values),
        "tests": tests,
        **({"prelude": PRELUDE} if values.get("starter_code") else {}),
        **({"level": values["difficulty"]} if values.get("difficulty") else {}),
    }


def _downloaded(name: str, revision: str | None) -> Path:
    # The hub's client takes a moment to import, and files of one's own never need it.
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RevisionNotFoundError,
    )

    wanted = f"data set {HUB_ID} (file {name}, revision {revision or 'main'})"
    try:
        return Path(hf_hub_download(HUB_ID, name, repo_type="dataset", revision=revision))
    except LocalEntryNotFoundError as error:
        raise EnvironmentError_(
            f"{wanted}: the hub cannot be reached and the file is not in the cache; connect once, or give the file with "
            "--data"
        ) from error
    except (RevisionNotFoundError, EntryNotFoundError) as error:
        raise DataError(f"{wanted}: not on the hub; check the revision and the release") from error
    except (HfHubHTTPError, OSError) as error:
        raise EnvironmentError_(f"{wanted}: cannot be downloaded: {first_line(error)}") from error


def _statement(values: Mapping[str, Any]) -> str:
    """The question, and what it leaves to the caller: how values come in and out."""
    question, starter = (
        str(values["question_content"]).strip(),
        str(values.get("starter_code") or "").rstrip(),
    )
    if starter:
        return f"{question}\n\nBegin with this code, and keep its names:\n\n```python\n{starter}\n```"
    return f"{question}\n\nThe program reads standard input and prints its answer to standard output."


def _tests(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    cases = [*_cases(values[_PUBLIC]), *_cases(values.get(_PRIVATE) or "[]")]
    if not all(case["testtype"] == "functional" for case in cases):
        return [{"stdin": case["input"], "stdout": case["output"]} for case in cases]
    name = _function(values) if cases else ""
    return [
        {
            "call": name,
            "args": [json.loads(line) for line in case["input"].split("\n") if line.strip()],
            "expected": json.loads(case["output"]),
        }
        for case in cases
    ]


def _function(values: Mapping[str, Any]) -> str:
    """What is called: a method where the starter code has a class, else a function."""
    metadata = values.get("metadata") or "{}"
    name = (json.loads(metadata) if isinstance(metadata, str) else metadata)["func_name"]
    return f"Solution().{name}" if "class Solution" in (values.get("starter_code") or "") else name


def _cases(packed: Any) -> list[Any]:
    """Test cases from a list, from JSON, or from the packed form of the hidden ones."""
    if isinstance(packed, str):
        packed = json.loads(packed if packed.lstrip().startswith("[") else _unpacked(packed))
    if not isinstance(packed, list):
        raise TypeError("the test cases are no list")
    return packed


def _unpacked(text: str) -> str:
    try:
        inflating = zlib.decompressobj()
        pickled = inflating.decompress(base64.b64decode(text, validate=True), _MOST_BYTES)
        if not inflating.eof:
            raise ValueError(f"the packed tests are cut off, or larger than {_MOST_BYTES} bytes")
        value = _PlainUnpickler(io.BytesIO(pickled)).load()
    except (
        binascii.Error,
        zlib.error,
        pickle.UnpicklingError,
        EOFError,
        OverflowError,
        MemoryError,
    ) as error:
        raise ValueError(f"the packed tests are damaged: {first_line(error)}") from error
    if not isinstance(value, str):
        raise TypeError(f"the packed tests are {type(value).__name__}, not text")
    return value


class _PlainUnpickler(pickle.Unpickler):
    """Reads plain values only: whatever a pickle asks to be imported is refused."""

    def find_class(self, module: str, name: str) -> Any:
        """Refuses."""
        raise pickle.UnpicklingError(f"it asks for {module}.{name}; only plain text is read")
