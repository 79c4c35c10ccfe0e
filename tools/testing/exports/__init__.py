"""Models as users bring them: architectures in torch with seeded random weights, exported by
torch.onnx in its three ways."""
