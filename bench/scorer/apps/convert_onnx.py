"""model.joblib to model.onnx, float32 as skl2onnx does it: python convert_onnx.py FOLDER."""

import json
import sys
from pathlib import Path

import joblib
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType

folder = Path(sys.argv[1])
model = joblib.load(folder / "model.joblib")
names = json.loads((folder / "names.json").read_text())
converted = to_onnx(
    model,
    initial_types=[("rows", FloatTensorType([None, len(names)]))],
    options={id(model): {"zipmap": False}},
)
(folder / "model.onnx").write_bytes(converted.SerializeToString())
