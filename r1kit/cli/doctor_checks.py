"""What `r1kit doctor` looks at, each a row: the software, the machine, its GPUs, 4-bit weights, the hub, the sandbox."""

from __future__ import annotations

import os
import platform
import shutil
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import psutil  # type: ignore[import-untyped]

from r1kit.core.errors import EnvironmentError_, SandboxError, first_line
from r1kit.models.trial import LIBRARIES, import_failure, try_4bit
from r1kit.sandbox.judge.many import num_cores
from r1kit.sandbox.layers import SUFFICIENT, Layers
from r1kit.sandbox.probe import WAY_OUT
from r1kit.sandbox.sandbox import probed
from r1kit.tracking.provenance import versions

State = Literal["ok", "absent", "broken"]
"""ok: there, and it works. absent: not there, and a run goes on without it. broken: what is wrong is to be mended."""

SANDBOX: Final = "sandbox"
_DRIVER: Final = Path("/proc/driver/nvidia/version")
_OFFLINE: Final = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, and what was found."""

    area: str
    name: str
    state: State
    detail: str


def examine() -> Iterator[Check]:
    """All checks, in the order in which they are shown; each takes place when it is asked for."""
    found = list(software())
    yield from found
    yield from machine(Path.cwd())
    broken = {check.name for check in found if check.state == "broken"}
    if "torch" not in broken:
        yield from gpus()
    if not broken & {"torch", "bitsandbytes"}:
        yield four_bit()
    if "transformers" not in broken:
        yield from hub(os.environ)
    yield from sandbox()


def software() -> Iterator[Check]:
    """Versions, and whether what a run is made of can be imported."""
    known = versions()
    yield Check("software", "r1kit", "ok", known["r1kit"])
    yield Check("software", "Python", "ok", known["python"])
    for name in LIBRARIES:
        failure = import_failure(name)
        if failure is None:
            yield Check("software", name, "ok", known.get(name, "of unknown version"))
        else:
            yield Check("software", name, "broken", f"cannot be imported: {failure}; reinstall it")


def machine(folder: Path) -> Iterator[Check]:
    """The system, its cores and memory, and the room that is left where runs are written."""
    yield Check("machine", "system", "ok", platform.platform())
    yield Check("machine", "cores", "ok", f"{num_cores()} of {os.cpu_count()}")
    yield Check(
        "machine", "memory", "ok", f"{_gib(psutil.virtual_memory().total)}, {_gib(_free_memory())} free"
    )
    disk = shutil.disk_usage(folder)
    if os.access(folder, os.W_OK):
        yield Check("machine", "disk", "ok", f"{_gib(disk.free)} free in {folder}")
    else:
        yield Check("machine", "disk", "absent", f"{folder} cannot be written; give runs another -o")


def _free_memory() -> int:
    """What a run would find, the container's limit counted."""
    try:
        from r1kit.training.memory.available import free_memory_of_machine
    except (ImportError, OSError):
        # Without torch there is no run; the figure is that of the whole machine.
        return int(psutil.virtual_memory().available)
    return free_memory_of_machine()


def gpus() -> Iterator[Check]:
    """A row a GPU, or one that says why there is none."""
    import torch

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        has_cuda = torch.cuda.is_available()
    if has_cuda:
        yield Check("GPU", "driver", "ok", f"{_driver()}; torch is built for CUDA {torch.version.cuda}")
        for index in range(torch.cuda.device_count()):
            yield _cuda_gpu(index)
    elif torch.backends.mps.is_available():
        yield Check("GPU", "mps", "ok", "Apple GPU; 4-bit and 8-bit weights need cuda or cpu")
    else:
        said = first_line(caught[-1].message) if caught else ""  # type: ignore[arg-type]
        yield no_gpu(torch.version.cuda, said, has_driver=_DRIVER.exists(), environment=os.environ)


def _cuda_gpu(index: int) -> Check:
    import torch

    name = f"cuda:{index}"
    try:
        found = torch.cuda.get_device_properties(index)
        free, total = torch.cuda.mem_get_info(index)
    except RuntimeError as error:
        return Check("GPU", name, "broken", f"cannot be used: {first_line(error)}")
    memory = f"{_gib(total)}, {_gib(free)} free"
    return Check("GPU", name, "ok", f"{found.name}, {memory}, compute capability {found.major}.{found.minor}")


def no_gpu(cuda: str | None, said: str, *, has_driver: bool, environment: Mapping[str, str]) -> Check:
    """Why torch sees no GPU: there is none, or it is hidden, or (broken) there is one that torch cannot use.

    `cuda` is the version that torch is built for, `said` its warning when it looked for a GPU.
    """
    hidden = environment.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None:
        return Check("GPU", "none", "absent", f"no GPU: CUDA_VISIBLE_DEVICES is {hidden!r}; runs use the CPU")
    if said and cuda is not None and has_driver:
        return Check("GPU", "none", "broken", f"the GPU cannot be used: {said}")
    if has_driver:
        build = "is built without CUDA; install" if cuda is None else f"is built for CUDA {cuda}; install"
        return Check("GPU", "none", "broken", f"there is a GPU, but torch {build} one for this driver")
    return Check("GPU", "none", "absent", "no GPU: torch sees none; runs use the CPU")


def _driver() -> str:
    """The version of NVIDIA's driver, as the kernel says it."""
    try:
        words = _DRIVER.read_text(encoding="ascii", errors="replace").splitlines()[0].split()
    except (OSError, IndexError):
        return "unknown"
    return next((word for word in words if word[:1].isdigit()), "unknown")


def four_bit() -> Check:
    """Whether 4-bit weights compute and pass gradients on the device that a run would take."""
    from r1kit.models.device import resolve_device, resolve_dtype

    device = resolve_device("auto")
    if device.type == "mps":
        device = resolve_device("cpu")
    dtype = resolve_dtype("auto", device)
    try:
        lost = try_4bit(device, dtype)
    except EnvironmentError_ as error:
        return Check("4-bit", str(device), "broken", str(error))
    precision = str(dtype).removeprefix("torch.")
    return Check(
        "4-bit", str(device), "ok", f"nf4 computes in {precision} and learns; {lost:.3f} of a norm is lost"
    )


def hub(environment: Mapping[str, str]) -> Iterator[Check]:
    """Where downloads are kept, and whether they are turned off; nothing is asked over the network."""
    from huggingface_hub.constants import HF_HUB_CACHE

    cache = Path(HF_HUB_CACHE)
    state: State = "ok" if cache.is_dir() else "absent"
    yield Check("hub", "cache", state, f"{cache}{'' if cache.is_dir() else ', not made yet'}")
    offline = [f"{name}={environment[name]}" for name in _OFFLINE if environment.get(name)]
    told = f"{', '.join(offline)}: what is not in the cache is not fetched"
    untold = f"none of {', '.join(_OFFLINE)} is set: what is not in the cache is fetched (not tried here)"
    yield Check("hub", "network", "absent" if offline else "ok", told if offline else untold)


def sandbox() -> Iterator[Check]:
    """A row a layer, as its escape was tried, and whether they suffice for code that nobody trusts."""
    try:
        layers = probed()
    except SandboxError as error:
        yield Check(SANDBOX, "verdict", "broken", str(error))
        return
    for layer in layers.found:
        told = f"{'holds' if layer.holds else 'does not hold'}: {layer.detail}"
        yield Check(SANDBOX, layer.name, "ok" if layer.holds else "absent", told)
    yield verdict(layers)


def verdict(layers: Layers) -> Check:
    """Whether the layers suffice, and by which of them; else the way out."""
    if not layers.is_sufficient:
        told = f"not sufficient: code is not judged here; {WAY_OUT}"
        return Check(SANDBOX, "verdict", "broken", told)
    names = [layer.name for layer in layers.found]
    sets = [" + ".join(sorted(needed, key=names.index)) for needed in SUFFICIENT if needed <= layers.names]
    return Check(SANDBOX, "verdict", "ok", f"sufficient: {', or '.join(sets)}")


def _gib(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB"
