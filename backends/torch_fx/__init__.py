"""IR to a torch.fx.GraphModule; training."""
