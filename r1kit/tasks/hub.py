"""Rows of a data set on the Hugging Face hub: through `datasets`, or as files where that would run a script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from r1kit.config.data import DataSource
from r1kit.core.errors import DataError, EnvironmentError_, first_line
from r1kit.tasks.livecodebench import HUB_ID, read_release


def read_hub(source: DataSource) -> Iterator[Mapping[str, Any]]:
    """The rows of one split, in order, at the revision that is asked for.

    Raises:
        DataError: there is no such data set, subset, split or revision.
        EnvironmentError_: the hub cannot be reached and the data set is not in the local cache.
    """
    if source.path == HUB_ID:
        yield from read_release(source)
        return
    # Importing datasets takes a second or two, and a run on files never needs it.
    import datasets
    from datasets.exceptions import DatasetNotFoundError, DatasetsError

    wanted = _described(source)
    try:
        rows = datasets.load_dataset(
            source.path, name=source.subset, split=source.split, revision=source.revision
        )
    except DatasetNotFoundError as error:
        raise DataError(
            f"{wanted}: not on the hub, and no such file here; check the name and the revision"
        ) from error
    except ConnectionError as error:
        raise EnvironmentError_(
            f"{wanted}: the hub cannot be reached and the data set is not in the cache; "
            "connect once, or give a JSONL file as path"
        ) from error
    except (ValueError, DatasetsError) as error:
        raise DataError(f"{wanted}: {first_line(error)}") from error
    except OSError as error:
        raise EnvironmentError_(f"{wanted}: cannot be downloaded: {first_line(error)}") from error
    yield from rows


def _described(source: DataSource) -> str:
    parts = [("subset", source.subset), ("split", source.split), ("revision", source.revision)]
    return f"data set {source.path} ({', '.join(f'{name} {value}' for name, value in parts if value)})"
