"""Benchmarks name every number that their bars ask for; their timings are not tested."""

from benchmarks import circuit


def test_circuit_cases_cover_the_bars():
    forward = {f"{name}_forward" for name in circuit.CASES}
    gradient = {f"{name}_gradient" for name, (_, _, wanted) in circuit.CASES.items() if wanted}
    first = {f"first_{modes}_s" for modes in (8, 16, 32)}
    assert forward | gradient | first == set(circuit.BARS)


def test_both_sides_time_the_same_circuit():
    import jax
    import numpy as np
    import sax
    import torch

    jax.config.update("jax_enable_x64", True)
    netlist, settings = circuit.ring(), circuit.WL
    ours, ports = circuit.circuit(netlist, circuit.OURS)[0].dense(wl=torch.from_numpy(settings["wl"]))
    theirs = sax.sdict(sax.circuit(netlist, circuit.THEIRS)[0](**settings))
    for (a, b), value in theirs.items():
        np.testing.assert_allclose(ours[:, ports.index(b), ports.index(a)].numpy(), np.asarray(value), atol=1e-10)
    mzi = sax.sdict(circuit.sax_mzi(1.0, 2.0))
    for key, value in circuit.models.mzi(theta=1.0, phi=2.0).items():
        assert abs(complex(value) - complex(mzi[key])) < 1e-14
