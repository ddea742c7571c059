"""What runs in the child processes: it enters the jail, then runs code that nobody trusts. Standard library only.

`bootstrap` of the room above loads these files without the rest of r1kit. In the order in which they run: `spawner`
forks a process for each jail, `enter` closes the jail with `namespaces`, `keeper` begins and ends lives in it and
`tidy`s up between them, `life` seals one with `limits`, `landlock` and `seccomp`, and hands over to `worker` (or to
`attempts`, which tries to get out). `channels` are the descriptors they speak over, `kernel` the system calls that
Python has no function for, `measure` tells what an interpreter needs.
"""
