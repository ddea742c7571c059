"""Versions and commit."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import r1kit
from r1kit.tracking import provenance


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git checkout with one commit that r1kit seems to run from."""
    package = tmp_path / "r1kit"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "--no-verify", "-m", "first"]):
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(tmp_path), *who, *command], check=True, capture_output=True)
    monkeypatch.setattr(r1kit, "__file__", str(package / "__init__.py"))
    return package


def test_the_commit_is_the_checkouts_and_says_when_files_were_changed(checkout: Path) -> None:
    commit = provenance.source_commit()
    assert commit is not None
    assert len(commit) == 40
    (checkout / "__init__.py").write_text("changed = True\n", encoding="utf-8")
    assert provenance.source_commit() == f"{commit}-dirty"


def test_the_commit_of_a_project_around_an_installed_r1kit_is_not_taken(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = checkout / "site-packages" / "r1kit"
    inner.mkdir(parents=True)
    monkeypatch.setattr(r1kit, "__file__", str(inner / "__init__.py"))
    assert provenance.source_commit() is None


def test_there_is_no_commit_without_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.source_commit() is None


def test_a_library_that_is_not_installed_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "_LIBRARIES", ("numpy", "surely-not-installed"))
    assert provenance.versions().keys() == {"r1kit", "python", "numpy"}
