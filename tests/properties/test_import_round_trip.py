"""Random programs as ONNX files: imported to YAML and built again, they compute the same."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from graphwright.backends.onnx.emitting.emission import save
from graphwright.backends.runtime.feeds import prepare
from graphwright.backends.torch_fx.backend import TorchBackend
from graphwright.tools.importing import Options, import_file
from graphwright.tools.programs import open_program
from graphwright.tools.testing.random_graphs import random_inputs, random_program

UNSTABLE = 1e-3  # what a float32 result may differ by where its order of summing changed


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(seed=93792, nodes=9, raw=False, outline=False)  # OneHot of a single index
@example(seed=200346, nodes=4, raw=False, outline=True)  # a matrix product by one number
@given(seed=st.integers(0, 2**31), nodes=st.integers(3, 25), raw=st.booleans(), outline=st.booleans())
def test_a_random_program_survives_the_trip(tmp_path_factory, seed, nodes, raw, outline):
    rng = np.random.default_rng(seed)
    program = random_program(rng, nodes=nodes)
    folder = tmp_path_factory.mktemp("trip")
    save(program, folder / "model.onnx", opset=21)
    found = import_file(
        folder / "model.onnx", folder / "spec.yaml", Options(simplify=not raw, outline=outline)
    )
    assert found.agreement.kind in ("graphs", "values")
    spec = open_program(str(folder / "spec.yaml"))
    inputs = random_inputs(program, rng)
    expected = TorchBackend().load(program).run(prepare(program, inputs, seed=0))
    given_inputs = {n: inputs[n] for n in spec.inputs}
    actual = TorchBackend().load(spec).run(prepare(spec, given_inputs, seed=0))
    for name in program.output_names:
        np.testing.assert_allclose(actual[name], expected[name], rtol=UNSTABLE, atol=UNSTABLE)
