"""The memory plan: what a run needs in bytes, by part, from the model's config alone, and the sizes that fit."""

from r1kit.training.memory.available import cap_memory
from r1kit.training.memory.plan import MemoryPlan, plan_memory
from r1kit.training.memory.prove import prove
from r1kit.training.memory.sizes import Sizes, resolve_sizes

__all__ = ["MemoryPlan", "Sizes", "cap_memory", "plan_memory", "prove", "resolve_sizes"]
