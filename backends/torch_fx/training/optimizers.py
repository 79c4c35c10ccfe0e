"""Optimizers of torch, by the names of the spec language; Lion beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from ...runtime.training_plan import OptimizerCall


class Lion(torch.optim.Optimizer):
    """The sign of an interpolated momentum (X. Chen et al., Symbolic Discovery of Optimization
    Algorithms, 2023, program 1), with decoupled weight decay."""

    def __init__(
        self,
        params: Sequence[torch.nn.Parameter],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # the trainer gives no closure
        """One move of every parameter that has a gradient."""
        for group in self.param_groups:
            near, far = group["betas"]
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is None:
                    continue
                state = self.state[parameter]
                momentum = state.setdefault("momentum", torch.zeros_like(parameter))
                direction = torch.sign(near * momentum + (1 - near) * gradient)
                parameter.mul_(1 - group["lr"] * group["weight_decay"]).sub_(group["lr"] * direction)
                momentum.mul_(far).add_(gradient, alpha=1 - far)


_CLASSES: Mapping[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "lion": Lion,
}


def make_optimizer(call: OptimizerCall, parameters: Sequence[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer with torch's defaults for what the call leaves out."""
    options = dict(call.options)
    if call.name != "lion":
        options["foreach"] = False
    return _CLASSES[call.name](parameters, lr=call.rate.rate, **options)
