"""The second program: a model file that is code becomes one that is data, where that is needed.

Runs without credentials and network. The file is read in a confined child (see sandbox); even so,
this program and all that it leaves count as hostile from the moment on when the file is read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.digest import canonical_json
from fraud_scorer.artifact.manifest import FILE_NAME
from fraud_scorer.sandbox import CompileError, Limits, compile_file
from fraud_scorer.verification.fetched import Folder
from fraud_scorer.verification.handed import DRAFT, MODEL, STATUS, Status
from fraud_scorer.verification.refusal import Undecided


def compile_fetched(
    fetched: Folder, output: Path, limits: Limits, *, say: Callable[[str], None]
) -> bool:
    """Compile what `fetch` says must be, and leave it in `output`; whether there was anything.

    Raises Undecided where it failed for want of something that the file has no part in.
    """
    if fetched.verdict() is not None:
        return False
    record = fetched.record()
    if not record.compiles:
        return False
    features = None
    if not record.bare:
        data = fetched.file(f"{record.version}/{FILE_NAME}").read_bytes()
        features = manifests.decode(data).features
    try:
        compiled = compile_file(
            fetched.file(record.compiles), features, limits=limits, progress=say
        )
    except CompileError as error:
        if error.reason is None:
            raise Undecided("CompileUndecided", f"{record.compiles}: {error}") from error
        status = Status(outcome="Failed", reason=error.reason, message=str(error))
        (output / STATUS).write_bytes(canonical_json(status))
        return True
    (output / MODEL).write_bytes(compiled.data)
    if compiled.draft is not None:
        (output / DRAFT).write_bytes(canonical_json(compiled.draft))
    (output / STATUS).write_bytes(canonical_json(Status(outcome="Compiled")))
    return True
