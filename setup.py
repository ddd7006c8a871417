"""The one compiled module of the project; everything else about the build is in pyproject.toml.

It uses the limited API, so one wheel serves every Python from 3.11 on. Contraction (fused
multiply-add) is off because scores must be the same bits on every CPU.
"""

from pathlib import Path

from setuptools import Extension, setup

CSRC = Path("scorer/fraud_scorer/engine/csrc")

setup(
    ext_modules=[
        Extension(
            "fraud_scorer.engine._walk",
            sources=sorted(str(path) for path in CSRC.glob("*.c")),
            depends=sorted(str(path) for path in CSRC.glob("*.h")),
            define_macros=[("Py_LIMITED_API", "0x030B0000"), ("NDEBUG", None)],
            extra_compile_args=[
                "-std=c11",
                "-O3",
                "-ffp-contract=off",
                "-fvisibility=hidden",
                "-Wall",
            ],
            py_limited_api=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
