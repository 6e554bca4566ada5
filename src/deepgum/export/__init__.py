"""Export of trained networks and posteriors for other programs: safetensors, ONNX, Parquet, CSV."""

from deepgum.export.files import export_posteriors, export_run, export_weights
from deepgum.export.onnx import OPSET, TOLERANCE, export_onnx

__all__ = ["OPSET", "TOLERANCE", "export_onnx", "export_posteriors", "export_run", "export_weights"]
