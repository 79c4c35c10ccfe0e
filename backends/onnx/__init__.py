"""IR to an ONNX ModelProto and back; ONNX Runtime sessions."""
