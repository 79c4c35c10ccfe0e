"""The ONNX standard's own test cases, run through import, torch and export, and their page."""
