"""What `r1kit doctor` finds here, what it says elsewhere, and how it ends."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from r1kit.cli.doctor import raise_what_is_broken
from r1kit.cli.doctor_checks import Check, hub, machine, no_gpu, verdict
from r1kit.cli.main import app
from r1kit.core.errors import EnvironmentError_, SandboxError
from r1kit.sandbox.layers import BUBBLEWRAP, LANDLOCK, LIMITS, NAMESPACES, SECCOMP, Layer, Layers

ALL = (NAMESPACES, BUBBLEWRAP, LANDLOCK, SECCOMP, LIMITS)


@pytest.fixture(scope="module")
def found() -> Result:
    return CliRunner().invoke(app, ["doctor", "--json"])


@pytest.fixture(scope="module")
def checks(found: Result) -> dict[tuple[str, str], Check]:
    rows = [Check(**row) for row in json.loads(found.stdout)["checks"]]
    return {(row.area, row.name): row for row in rows}


def test_it_ends_by_what_it_found(found: Result, checks: dict[tuple[str, str], Check]) -> None:
    broken = {area for (area, _), check in checks.items() if check.state == "broken"}
    assert found.exit_code == (0 if not broken else 4 if broken == {"sandbox"} else 3)
    assert bool(found.stderr) == bool(broken)


def test_the_libraries_of_these_tests_are_there_with_their_versions(
    checks: dict[tuple[str, str], Check],
) -> None:
    import torch

    assert checks["software", "Python"].detail == platform.python_version()
    assert checks["software", "torch"].detail == torch.__version__
    names = ("r1kit", "Python", "torch", "transformers", "peft", "bitsandbytes")
    assert all(checks["software", name].state == "ok" for name in names)


def test_every_layer_of_the_sandbox_is_a_row_that_says_whether_it_holds(
    checks: dict[tuple[str, str], Check],
) -> None:
    from r1kit.sandbox.sandbox import probed

    layers = probed()
    assert {name for area, name in checks if area == "sandbox"} == {*ALL, "verdict"}
    for name in ALL:
        check = checks["sandbox", name]
        assert check.detail.startswith("holds: " if layers.holds(name) else "does not hold: ")
        assert check.state == ("ok" if layers.holds(name) else "absent")
    assert (checks["sandbox", "verdict"].state == "ok") == layers.is_sufficient


def test_memory_cores_disk_gpus_4bit_and_hub_are_looked_at(checks: dict[tuple[str, str], Check]) -> None:
    assert {area for area, _ in checks} == {"software", "machine", "GPU", "4-bit", "hub", "sandbox"}
    assert {name for area, name in checks if area == "machine"} == {"system", "cores", "memory", "disk"}


def test_the_table_has_a_row_a_check(capsys: pytest.CaptureFixture[str]) -> None:
    from r1kit.cli.doctor import print_checks

    print_checks([Check("a", "one", "ok", "[fine]"), Check("a", "two", "broken", "bad")])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["a", "one", "ok", "[fine]"], ["two", "broken", "bad"]]


def test_a_broken_sandbox_alone_is_4_and_anything_else_3() -> None:
    fine = Check("hub", "cache", "absent", "")
    jail, torch = Check("sandbox", "verdict", "broken", "none"), Check("software", "torch", "broken", "gone")
    raise_what_is_broken([fine])
    with pytest.raises(SandboxError, match=r"^sandbox verdict: none$"):
        raise_what_is_broken([fine, jail])
    with pytest.raises(EnvironmentError_, match=r"^software torch: gone\nsandbox verdict: none$"):
        raise_what_is_broken([torch, jail])


def layers(*holding: str) -> Layers:
    return Layers(tuple(Layer(name, name in holding, "") for name in ALL))


@pytest.mark.parametrize(
    ("holding", "said"),
    [
        ((NAMESPACES, SECCOMP, LIMITS), "sufficient: namespaces + seccomp + limits"),
        (
            (BUBBLEWRAP, LANDLOCK, SECCOMP, LIMITS),
            "sufficient: bubblewrap + seccomp + limits, or landlock + seccomp + limits",
        ),
    ],
)
def test_the_verdict_names_the_layers_that_suffice(holding: tuple[str, ...], said: str) -> None:
    assert verdict(layers(*holding)) == Check("sandbox", "verdict", "ok", said)


def test_the_verdict_gives_the_way_out_where_none_suffices() -> None:
    found = verdict(layers(SECCOMP, LIMITS))
    assert found.state == "broken"
    assert "apt install bubblewrap" in found.detail
    assert "--sandbox.unsafe" in found.detail


@pytest.mark.parametrize(
    ("cuda", "said", "has_driver", "environment", "state", "words"),
    [
        (None, "", False, {}, "absent", "no GPU: torch sees none"),
        ("12.8", "", False, {}, "absent", "no GPU: torch sees none"),
        ("12.8", "", True, {"CUDA_VISIBLE_DEVICES": ""}, "absent", "CUDA_VISIBLE_DEVICES is ''"),
        (None, "", True, {}, "broken", "torch is built without CUDA"),
        ("12.8", "", True, {}, "broken", "torch is built for CUDA 12.8"),
        ("12.8", "driver too old", True, {}, "broken", "the GPU cannot be used: driver too old"),
    ],
)
def test_no_gpu_is_fine_but_one_that_torch_cannot_use_is_not(
    cuda: str | None, said: str, has_driver: bool, environment: dict[str, str], state: str, words: str
) -> None:
    found = no_gpu(cuda, said, has_driver=has_driver, environment=environment)
    assert (found.state, words in found.detail) == (state, True)


def test_a_hub_that_is_turned_off_is_told_by_its_variable() -> None:
    assert [check.state for check in hub({})][1] == "ok"
    [_, network] = hub({"HF_HUB_OFFLINE": "1"})
    assert network.state == "absent"
    assert network.detail.startswith("HF_HUB_OFFLINE=1: ")


def test_room_is_told_for_the_folder_that_runs_go_to(tmp_path: Path) -> None:
    disk = next(check for check in machine(tmp_path) if check.name == "disk")
    assert disk.detail.endswith(f"GiB free in {tmp_path}")
