"""The model as treelite has it, compiled to C by tl2cgen, which is its fast way: python
convert_treelite.py FOLDER. Writes treelite.so beside model.joblib, on all cores that there are."""

import os
import sys
from pathlib import Path

import joblib
import tl2cgen
from treelite import sklearn

folder = Path(sys.argv[1])
tl2cgen.export_lib(
    sklearn.import_model(joblib.load(folder / "model.joblib")),
    toolchain="gcc",
    libpath=folder / "treelite.so",
    params={"parallel_comp": 16},
    nthread=len(os.sched_getaffinity(0)),
)
