"""Compiling a model file that nobody vouches for: joblib files are code, which runs when read.

It runs in a child process, and what comes back is data: the parent opens it as any compiled model
is opened, every offset checked. What holds the child, and where:

- everywhere: limits of memory, CPU time, waiting time, and of the size of what it writes; none of
  the parent's environment variables;
- on Linux (x86-64 and ARM64) also a filter of system calls, set before the file is read: no
  sockets, no processes, no signals, and files opened for reading only.

It can read what its user can read, and put that into the compiled model: compile a file of unknown
origin where there are no secrets.

    run.py       the parent's side
    child.py     the child's side
    seccomp.py   the filter of system calls
"""

from fraud_scorer.sandbox.run import (
    LEAST_MEMORY,
    Compiled,
    CompileError,
    Limits,
    compile_file,
)

__all__ = ["LEAST_MEMORY", "CompileError", "Compiled", "Limits", "compile_file"]
