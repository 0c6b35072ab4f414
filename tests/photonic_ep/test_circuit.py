"""Circuits against a dense solve with reflections, against sax on the same netlists, and against finite differences."""

from fractions import Fraction

import jax
import numpy as np
import pytest
import sax
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.circuit import lattice
from photonic_ep import MeshWeight, circuit, clements, models
from photonic_ep.circuit.netlist import flatten
from photonic_ep.circuit.solve import ALIASES
from photonic_ep.mesh.netlist import tile_netlist
from photonic_ep.presets import DEVICE_F

jax.config.update("jax_enable_x64", True)
WL = np.linspace(1.5, 1.6, 41)


def dense_referee(flat, parts):
    """S of the outer ports from the whole linear system: b = S a, a = P b inside, no ordering, no structure."""
    names = [(leaf, port) for leaf in flat.instances for port in sorted({p for key in parts[leaf] for p in key})]
    at = {name: i for i, name in enumerate(names)}
    s = np.zeros((len(names), len(names)), dtype=complex)
    for leaf, entries in parts.items():
        for (a, b), value in entries.items():
            s[at[leaf, b], at[leaf, a]] = complex(value)
    joined = np.zeros_like(s)
    for a, b in flat.links:
        joined[at[a], at[b]] = joined[at[b], at[a]] = 1
    whole = np.linalg.solve(np.eye(len(names)) - s @ joined, s)
    outer = [at[place] for place in flat.ports.values()]
    return whole[np.ix_(outer, outer)]


def random_circuit(seed, count, loss):
    """Parts with random reciprocal passive S-matrices of 1-4 ports (some entries zero), joined at random."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 5, count)
    parts, free = {}, []
    for i, size in enumerate(sizes):
        m = random.normal(size=(size, size)) + 1j * random.normal(size=(size, size))
        m = (m + m.T) * (random.random((size, size)) < 0.8)
        m = np.triu(m) + np.triu(m, 1).T
        m *= loss / max(np.linalg.norm(m, 2), 1e-9)
        parts[f"p{i}"] = {(f"o{a + 1}", f"o{b + 1}"): m[b, a] for a in range(size) for b in range(size) if m[b, a]}
        free += [f"p{i},o{a + 1}" for a in range(size) if any(f"o{a + 1}" in key for key in parts[f"p{i}"])]
    random.shuffle(free)
    outer = {f"x{n}": free.pop() for n in range(min(len(free), int(random.integers(1, 5))))}
    dangling = int(random.integers(0, 3))
    links = {free.pop(): free.pop() for _ in range(max(0, (len(free) - dangling) // 2))}
    return {"instances": {name: name for name in parts}, "connections": links, "ports": outer}, parts


def constant(entries):
    tensors = {key: torch.tensor(value, dtype=torch.complex128) for key, value in entries.items()}
    return lambda: tensors


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(2, 40), loss=st.floats(0.3, 0.98))
@example(seed=200, count=2, loss=0.5)  # no input reaches an output
def test_random_circuits_against_a_dense_solve(seed, count, loss):
    netlist, parts = random_circuit(seed, count, loss)
    if not netlist["ports"]:
        return
    flat = flatten(netlist, parts)
    ours, _ = circuit(netlist, {name: constant(entries) for name, entries in parts.items()})
    expected = dense_referee(flat, parts)
    for engine in ("tape", "torch"):
        s, ports = ours.dense(engine=engine)
        assert ports == tuple(netlist["ports"])
        np.testing.assert_allclose(s.numpy(), expected, atol=1e-12)


# --- sax's own circuits, the same netlists and settings --------------------------------------------------------------
MZI = {
    "instances": {
        "lft": {"component": "coupler", "settings": {"coupling": 0.3}},
        "top": {"component": "straight", "settings": {"length": 25.0}},
        "btm": {"component": "straight", "settings": {"length": 15.0}},
        "rgt": "coupler",
    },
    "connections": {"lft,out0": "btm,in0", "btm,out0": "rgt,in0", "lft,out1": "top,in0", "top,out0": "rgt,in1"},
    "ports": {"in0": "lft,in0", "in1": "lft,in1", "out0": "rgt,out0", "out1": "rgt,out1"},
}
ALL_PASS = {
    "instances": {"dc": {"component": "coupler", "settings": {"coupling": 0.2}}, "loop": "lossy"},
    "connections": {"dc,out1": "loop,in0", "loop,out0": "dc,in1"},
    "ports": {"in": "dc,in0", "out": "dc,out0"},
}
ADD_DROP = {
    "instances": {
        "lft": {"component": "coupler", "settings": {"coupling": 0.1}},
        "rgt": {"component": "coupler", "settings": {"coupling": 0.15}},
        "top": {"component": "straight", "settings": {"length": 20.0}},
        "btm": {"component": "straight", "settings": {"length": 30.0}},
    },
    "nets": [
        {"p1": "lft,out1", "p2": "top,in0"},
        {"p1": "top,out0", "p2": "rgt,out1"},
        {"p1": "rgt,in1", "p2": "btm,in0"},
        {"p1": "btm,out0", "p2": "lft,in1"},
    ],
    "ports": {"in": "lft,in0", "thru": "lft,out0", "add": "rgt,out0", "drop": "rgt,in0"},
}
HIERARCHY = {
    "top_level": {
        "instances": {"first": "mzi", "second": "mzi", "wire": {"component": "straight", "settings": {"length": 7.0}}},
        "connections": {"first,out0": "wire,in0", "wire,out0": "second,in0", "first,out1": "second,in1"},
        "ports": {"in": "first,in0", "out0": "second,out0", "out1": "second,out1"},
    },
    "mzi": MZI,
}
MULTI_LINK = {
    "instances": {"a": "coupler", "b": "coupler", "c": "coupler"},
    "connections": {"a,out0": "b,in0", "a,out1": "b,in1", "b,out0": "c,in0", "b,out1": "c,in1"},
    "ports": {"in0": "a,in0", "in1": "a,in1", "out0": "c,out0", "out1": "c,out1"},
}


OURS = {"coupler": models.coupler_ideal, "straight": models.straight, "lossy": models.bend}
THEIRS = {"coupler": sax.models.coupler_ideal, "straight": sax.models.straight, "lossy": sax.models.bend}
CIRCUITS = {
    "mzi": MZI,
    "all-pass": ALL_PASS,
    "add-drop": ADD_DROP,
    "hierarchy": HIERARCHY,
    "multi-link": MULTI_LINK,
    "lattice": lattice(4),
}


@pytest.mark.parametrize("netlist", CIRCUITS.values(), ids=CIRCUITS)
def test_sax_circuits_run_with_the_import_swapped(netlist):
    theirs, _ = sax.circuit(netlist, THEIRS)
    expected = sax.sdict(theirs(wl=WL))
    ours, _ = circuit(netlist, OURS)
    s = ours(wl=torch.from_numpy(WL))
    for key, value in expected.items():
        got = s[key].numpy() if key in s else np.zeros_like(WL)
        np.testing.assert_allclose(got, np.broadcast_to(np.asarray(value), WL.shape), atol=1e-10)


def test_settings_by_instance_as_in_sax():
    theirs, _ = sax.circuit(HIERARCHY, THEIRS)
    ours, _ = circuit(HIERARCHY, OURS)
    chosen = {"first": {"lft": {"coupling": 0.4}, "top": {"length": 33.0}}, "wire": {"length": 3.0}}
    expected = sax.sdict(theirs(wl=1.53, neff=2.5, **chosen))
    got = ours(wl=1.53, neff=2.5, **chosen)
    for key, value in expected.items():
        assert complex(got[key]) == pytest.approx(complex(np.asarray(value).squeeze()), abs=1e-10)


def test_a_circuit_is_a_model():
    """An mzi as a circuit inside a circuit equals the hierarchical netlist."""
    inner, _ = circuit(MZI, OURS)
    whole, _ = circuit(HIERARCHY, OURS)
    nested, info = circuit(HIERARCHY["top_level"], OURS | {"mzi": inner})
    assert set(info.instances.values()) == {"mzi", "straight"}
    wl = torch.from_numpy(WL)
    torch.testing.assert_close(nested.dense(wl=wl)[0], whole.dense(wl=wl)[0], atol=1e-12, rtol=0)


def optical(s):
    """sax's ports by their optical names, which gdsfactory's netlists use."""
    table = sax.sdict(s)
    names = ALIASES[len({port for key in table for port in key})]
    return {(names.get(a, a), names.get(b, b)): value for (a, b), value in table.items()}


def test_a_gdsfactory_component_as_it_is():
    """sax's layout-aware MZI: the netlist of a Component, its electrical and foreign settings ignored and listed."""
    import gdsfactory as gf

    gf.gpdk.PDK.activate()
    component = gf.components.mzi(delta_length=12.0)
    parts = {
        "straight": models.straight,
        "bend_euler": models.bend,
        "mmi1x2": models.mmi1x2,
    }
    ours, info = circuit(component, parts)
    assert info.ignored
    netlist = component.get_netlist(recursive=True)
    theirs, _ = sax.circuit(
        netlist,
        {
            "straight": lambda wl=1.55, length=10.0: optical(sax.models.straight(wl=wl, length=length)),
            "bend_euler": lambda wl=1.55, length=10.0: optical(sax.models.bend(wl=wl, length=length)),
            "mmi1x2": lambda wl=1.55: optical(sax.models.mmi1x2(wl=wl)),
        },
    )
    wl = np.linspace(1.5, 1.6, 51)
    expected = sax.sdict(theirs(wl=wl))
    got = ours(wl=torch.from_numpy(wl))
    np.testing.assert_allclose(got["o1", "o2"].numpy(), np.asarray(expected["o1", "o2"]), atol=1e-10)
    assert got["o1", "o2"].abs().square().max() > 0.5


def test_arrays_are_instances_by_column_and_row():
    netlist = {
        "instances": {"s": {"component": "straight", "settings": {"length": 5.0}, "array": {"columns": 3, "rows": 1}}},
        "connections": {"s<0.0>,o2": "s<1.0>,o1", "s<1.0>,o2": "s<2.0>,o1"},
        "ports": {"in": "s<0.0>,o1", "out": "s<2.0>,o2"},
    }
    ours, info = circuit(netlist, {"straight": models.straight})
    assert len(info.instances) == 3
    one = models.straight(wl=1.53, length=15.0)["o1", "o2"]
    assert complex(ours(wl=1.53)["in", "out"]) == pytest.approx(complex(one))
    longer = models.straight(wl=1.53, length=21.0)["o1", "o2"]
    assert complex(ours(wl=1.53, s={"length": 7.0})["in", "out"]) == pytest.approx(complex(longer))


@pytest.mark.parametrize("netlist", [ADD_DROP, HIERARCHY, lattice(3)], ids=["ring", "hierarchy", "lattice"])
def test_gradients_in_every_setting(netlist):
    ours, info = circuit(netlist, OURS)
    wl = torch.linspace(1.54, 1.56, 3, dtype=torch.float64)
    leaf = next(name for name, model in info.instances.items() if model == "coupler")
    guide = next(name for name, model in info.instances.items() if model == "straight")

    def nest(path, values):
        for name in reversed(path.split(".")):
            values = {name: values}
        return values

    def outputs(wl, coupling, length, neff, loss):
        chosen = nest(leaf, {"coupling": coupling})
        for name, inner in nest(guide, {"length": length}).items():
            chosen[name] = chosen.get(name, {}) | inner
        return torch.view_as_real(ours.dense(wl=wl, neff=neff, loss_dB_cm=loss, **chosen)[0])

    values = [wl, *(torch.tensor(v, dtype=torch.float64) for v in (0.35, 21.0, 2.4, 3.0))]
    assert torch.autograd.gradcheck(outputs, [v.requires_grad_() for v in values], atol=1e-4)


def test_a_mesh_tile_is_a_circuit():
    source = torch.Generator().manual_seed(0)
    weight = MeshWeight(8, 8, generator=source, imperfections=DEVICE_F.imperfections, dtype=torch.float64)
    netlist = tile_netlist(clements(8), weight.tile_settings())
    tile, _ = circuit(netlist, {"mzi": models.mzi, "phase_shifter": models.phase_shifter, "crossing": models.crossing})
    s = tile()
    t = torch.stack([torch.stack([s[f"in_{i}", f"out_{o}"] for i in range(8)]) for o in range(8)])
    torch.testing.assert_close(t, weight.transfer()[0].detach(), atol=1e-13, rtol=0)
    back = torch.stack([torch.stack([s[f"out_{o}", f"in_{i}"] for i in range(8)]) for o in range(8)])
    torch.testing.assert_close(back, t, atol=1e-15, rtol=0)


def test_monte_carlo_draws_in_one_call():
    """Batches of parameter samples broadcast with each other and equal one call each."""
    ours, _ = circuit(MZI, OURS)
    source = torch.Generator().manual_seed(0)
    coupling = 0.5 + 0.05 * torch.randn(100, 1, generator=source, dtype=torch.float64)
    wl = torch.linspace(1.5, 1.6, 7, dtype=torch.float64)
    s, _ = ours.dense(wl=wl, lft={"coupling": coupling})
    assert s.shape == (100, 7, 4, 4)
    one, _ = ours.dense(wl=wl[3], lft={"coupling": float(coupling[42])})
    torch.testing.assert_close(s[42, 3], one, atol=1e-14, rtol=0)


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 130, 5000])
def test_every_size_of_batch_takes_the_same_values_and_gradients(batch):
    """Few samples, one pass, several kept passes, passes computed again: against the plain referee."""
    ours, _ = circuit(lattice(10), OURS)
    wl = torch.linspace(1.5, 1.6, batch, dtype=torch.float64, requires_grad=True)
    wires = torch.linspace(10, 20, batch, dtype=torch.float64, requires_grad=True)
    results = []
    for engine in ("tape", "torch"):
        s, _ = ours.dense(engine=engine, wl=wl, top3={"length": wires})
        weights = torch.arange(s.numel(), dtype=torch.float64).reshape(s.shape).sin()
        results.append((s, *torch.autograd.grad((s.real * weights).sum(), [wl, wires])))
    for mine, plain in zip(*results, strict=True):
        torch.testing.assert_close(mine, plain, atol=1e-10, rtol=1e-10)


def test_whole_numbers_are_doubles():
    ours, _ = circuit(MZI, OURS)
    expected, _ = ours.dense(top={"length": 30.0}, btm={"length": 7.0})
    for thirty in (30, np.array(30), np.array([30]), torch.tensor(30), torch.tensor([30])):
        got, _ = ours.dense(top={"length": thirty}, btm={"length": 7})
        torch.testing.assert_close(got.reshape(4, 4), expected, atol=1e-14, rtol=0)
        one = models.straight(length=torch.tensor(30))["o1", "o2"]
        assert one.dtype == torch.complex128


def changed(**changes):
    return {**MZI, **changes}


def wire_of(length):
    return changed(instances=MZI["instances"] | {"top": {"component": "straight", "settings": {"length": length}}})


def test_numbers_of_any_library_are_numbers():
    """A NumPy double is a float to Python, yet each part keeps its own; arrays may lie backwards in memory."""
    expected, _ = circuit(MZI, OURS)[0].dense()
    for length in (np.float64(25), Fraction(25), "2.5e1"):
        torch.testing.assert_close(circuit(wire_of(length), OURS)[0].dense()[0], expected)
    ours, _ = circuit(MZI, OURS)
    expected, _ = ours.dense(wl=torch.tensor([1.6, 1.5], dtype=torch.float64), top={"length": 33.0})
    for length in (np.float64(33), np.float32(33), np.int64(33), Fraction(33)):
        got, _ = ours.dense(wl=np.array([1.5, 1.6])[::-1], top={"length": length})
        torch.testing.assert_close(got, expected, atol=1e-14, rtol=0)
    big_endian, _ = ours.dense(wl=np.array([1.6, 1.5], dtype=">f8"), top={"length": 33.0})
    torch.testing.assert_close(big_endian, expected, atol=1e-14, rtol=0)


def test_parameters_in_a_netlist_stay_alive():
    length = torch.nn.Parameter(torch.tensor(25.0, dtype=torch.float64))
    ours, _ = circuit(wire_of(length), OURS)
    before, _ = ours.dense()
    assert torch.autograd.grad(before[0, 2].real, length)[0].abs() > 0
    length.data += 3.0
    torch.testing.assert_close(ours.dense()[0], circuit(MZI, OURS)[0].dense(top={"length": 28.0})[0])


def test_second_derivatives_are_those_of_the_referee():
    ours, _ = circuit(ADD_DROP, OURS)
    wl = torch.linspace(1.54, 1.56, 4, dtype=torch.float64)

    def power(coupling, engine="tape"):
        return ours.dense(engine=engine, wl=wl, lft={"coupling": coupling})[0][:, 1, 0].abs().square().sum()

    at = torch.tensor(0.3, dtype=torch.float64)
    tape, plain = (torch.autograd.functional.hessian(lambda x, e=e: power(x, e), at) for e in ("tape", "torch"))
    torch.testing.assert_close(tape, plain, atol=1e-10, rtol=1e-10)
    assert torch.autograd.gradgradcheck(power, at.clone().requires_grad_())


def test_settings_of_a_circuit_in_a_netlist_reach_its_parts_as_in_sax():
    top = HIERARCHY["top_level"]
    first = {"component": "mzi", "settings": {"top": {"length": 77.0}, "height": 3.0}}
    netlist = {**HIERARCHY, "top_level": {**top, "instances": {**top["instances"], "first": first}}}
    ours, info = circuit(netlist, OURS)
    theirs = sax.sdict(sax.circuit(netlist, THEIRS)[0](wl=WL))
    got = ours(wl=torch.from_numpy(WL))
    np.testing.assert_allclose(got["in", "out0"].numpy(), np.asarray(theirs["in", "out0"]), atol=1e-10)
    assert info.ignored == {"first": ["height"]}


def test_settings_of_circuits_in_circuits_merge_and_reach_arrays_as_in_sax():
    leaf = {"instances": {"w": {"component": "straight", "settings": {"length": 3.0}}}}
    leaf |= {"ports": {"in0": "w,in0", "out0": "w,out0"}}
    mid = {
        "instances": {
            "inn": {"component": "leaf", "settings": {"w": {"neff": 2.9}}},
            "arr": {"component": "straight", "array": {"columns": 2, "rows": 1}, "settings": {"length": 1.0}},
        },
        "connections": {"inn,out0": "arr<0.0>,in0", "arr<0.0>,out0": "arr<1.0>,in0"},
        "ports": {"in0": "inn,in0", "out0": "arr<1.0>,out0"},
    }
    m = {"component": "mid", "settings": {"inn": {"w": {"length": 4.1}}, "arr": {"length": 9.0}}}
    netlist = {"t": {"instances": {"m": m}, "ports": {"in": "m,in0", "out": "m,out0"}}, "mid": mid, "leaf": leaf}
    ours, info = circuit(netlist, OURS)
    assert not info.ignored
    wl = 1.53
    expected = (
        models.straight(wl=wl, neff=2.9, length=4.1)["o1", "o2"] * models.straight(wl=wl, length=18.0)["o1", "o2"]
    )
    assert complex(ours(wl=wl)["in", "out"]) == pytest.approx(complex(expected), abs=1e-12)
    one, _ = ours.dense(wl=wl, m={"arr<0.0>": {"length": 5.0}})
    assert complex(one[1, 0]) == pytest.approx(
        complex(
            models.straight(wl=wl, length=14.0)["o1", "o2"] * models.straight(wl=wl, neff=2.9, length=4.1)["o1", "o2"]
        )
    )


def test_words_and_flags_reach_models_as_they_are():
    def part(*, wl=1.55, flag=False, kind="te"):
        return models.straight(wl=wl, length=10.0 + (5.0 if flag else 0.0) + (1.0 if kind == "tm" else 0.0))

    body = {"component": "p", "settings": {"flag": True, "kind": "tm"}}
    netlist = {
        "instances": {"a": body, "b": body},
        "connections": {"a,o2": "b,o1"},
        "ports": {"i": "a,o1", "o": "b,o2"},
    }
    ours, _ = circuit(netlist, {"p": part})
    expected = complex(models.straight(length=32.0)["o1", "o2"])
    assert complex(ours()["i", "o"]) == pytest.approx(expected)
    assert complex(ours(flag=np.bool_(True))["i", "o"]) == pytest.approx(expected)


def test_what_names_a_part_beats_what_names_its_circuit():
    ours, _ = circuit(HIERARCHY, OURS)
    expected, _ = ours.dense(first={"top": {"length": 5.0}, "btm": {"length": 9.0}})
    for chosen in (
        {"first.top": {"length": 5.0}, "first": {"length": 9.0}},
        {"first": {"length": 9.0}, "first.top": {"length": 5.0}},
    ):
        torch.testing.assert_close(ours.dense(**chosen)[0], expected, atol=1e-14, rtol=0)
    both, _ = ours.dense(**{"first.top": {"length": 5.0}, "first": {"top": {"neff": 2.0}}})
    torch.testing.assert_close(both, ours.dense(first={"top": {"length": 5.0, "neff": 2.0}})[0], atol=1e-14, rtol=0)


def test_plain_numbers_from_a_model_are_doubles():
    netlist = {"instances": {"x": "x"}, "ports": {"a": "x,o1", "b": "x,o2"}}
    ours, _ = circuit(netlist, {"x": lambda: {("o1", "o2"): 0.1}})
    assert complex(ours()["a", "b"]) == 0.1


def test_names_of_a_flat_netlist_stay_apart_and_ports_keep_theirs():
    wire = {"instances": {"s": "straight"}, "ports": {"i": "s,in0", "o": "s,out0"}}
    top = {
        "instances": {"x": "wire", "x__s": {"component": "straight", "settings": {"length": 50.0}}},
        "connections": {"x,o": "x__s,in0"},
        "ports": {"in": "x,i", "out": "x__s,out0"},
    }
    ours, _ = circuit({"top": top, "wire": wire}, OURS)
    saved = ours.netlist()
    assert len(saved["instances"]) == 2
    theirs = sax.sdict(sax.circuit(saved, THEIRS)[0](wl=WL))
    got = ours(wl=torch.from_numpy(WL))["in", "out"]
    np.testing.assert_allclose(got.numpy(), np.asarray(theirs["in", "out"]), atol=1e-10)
    with pytest.raises(ValueError, match=r"x\.s\.length is a batch"):
        ours.netlist(**{"x.s": {"length": torch.ones(3)}})


def test_arrays_of_circuits_take_settings_by_their_name():
    two = {"m": {"component": "mzi", "array": {"columns": 2, "rows": 1}}}
    ends = {"in": "m<0.0>,in0", "out": "m<1.0>,out0"}
    top = {"instances": two, "connections": {"m<0.0>,out0": "m<1.0>,in0"}, "ports": ends}
    ours, _ = circuit({"top": top, "mzi": MZI}, OURS)
    each, _ = ours.dense(**{f"m<{n}.0>.top": {"length": 30.0} for n in (0, 1)})
    torch.testing.assert_close(ours.dense(m={"top": {"length": 30.0}})[0], each, atol=1e-14, rtol=0)


def test_circuits_as_parts_keep_their_own_settings():
    """Two parts share a circuit as model; one gets a length of its own from the netlist, the other its defaults."""
    inner, _ = circuit(MZI, OURS)
    netlist = {
        "instances": {"a": {"component": "inner", "settings": {"ng": 4.2}}, "b": "inner"},
        "connections": {"a,out0": "b,in0", "a,out1": "b,in1"},
        "ports": {"in": "a,in0", "out": "b,out0"},
    }
    ours, _ = circuit(netlist, {"inner": inner})
    wl = torch.linspace(1.5, 1.6, 5, dtype=torch.float64)
    a, b = inner.dense(wl=wl, ng=4.2)[0], inner.dense(wl=wl)[0]
    expected = (b[:, 2:, :2] @ a[:, 2:, :2])[:, 0, 0]
    torch.testing.assert_close(ours(wl=wl)["in", "out"], expected, atol=1e-13, rtol=0)
    plain, _ = circuit({**netlist, "instances": {"a": "inner", "b": "inner"}}, {"inner": inner})
    torch.testing.assert_close(plain(wl=wl, a={"ng": 4.2})["in", "out"], expected, atol=1e-13, rtol=0)


def test_an_empty_batch_is_empty():
    assert circuit(MZI, OURS)[0].dense(wl=torch.empty(0))[0].shape == (0, 4, 4)


def test_single_precision_does_not_look_like_gain():
    netlist = {"instances": {"a": "ring", "b": "straight"}, "connections": {"a,o2": "b,o1"}}
    netlist |= {"ports": {"in": "a,o1", "out": "b,o2"}}
    ours, _ = circuit(netlist, {"ring": models.ring_all_pass, "straight": models.straight})
    wl = torch.linspace(1.5, 1.6, 20001)
    for settings_of_a in ({"wl": wl}, {"wl": wl, "coupling": 0.001}):
        assert ours.dense(a=settings_of_a)[0].dtype == torch.complex128


def test_single_precision_stays_single():
    ours, _ = circuit(ADD_DROP, OURS)
    wl = torch.linspace(1.5, 1.6, 5, dtype=torch.float32)
    s, _ = ours.dense(wl=wl)
    double, _ = ours.dense(wl=wl.double())
    assert s.dtype == torch.complex64
    torch.testing.assert_close(s.to(torch.complex128), double, atol=2e-4, rtol=0)


def test_structure_decides_what_is_computed():
    """A feed-forward lattice needs no reciprocal; a ring needs one; dark waves are dropped."""
    assert not circuit(lattice(5), OURS)[0].plan.loops
    assert len(circuit(ADD_DROP, OURS)[0].plan.loops) in (1, 2)
    dark = lattice(2)
    dark["instances"]["island"] = "straight"
    assert circuit(dark, OURS)[1].operations == circuit(lattice(2), OURS)[1].operations


@pytest.mark.parametrize(
    ("netlist", "message"),
    [
        ({}, "a netlist is a dictionary"),
        ({"instances": {}, "ports": {}}, "has no instances"),
        (changed(ports={}), "has no ports"),
        (changed(ports={"in": "lft,in7"}), "'lft' .coupler. has no port 'in7'"),
        (changed(ports={"in": "moon,o1"}), "no instance 'moon'"),
        (changed(ports={"in": "lft"}), "INSTANCE,PORT"),
        (changed(ports=MZI["ports"] | {"again": "lft,in0"}), "joined twice"),
        (changed(connections=MZI["connections"] | {"lft,in1": "top,in0"}), "joined twice"),
        (changed(instances=MZI["instances"] | {"top": "laser"}), "no model for the component 'laser' of 'top'"),
        (changed(instances=MZI["instances"] | {"top": {"settings": {}}}), "'top' needs a component"),
        ({"a": {"instances": {"x": "a"}, "ports": {"o": "x,o"}}}, "contains itself"),
        (changed(connections=[["lft,in0", "rgt,in0"]]), "connections must be a dictionary"),
        (changed(connections={"lft,in1": 3}), "a port is written INSTANCE,PORT, not 3"),
        (changed(nets=[{"p1": "lft,in1"}]), "nets must be a list of .p1: .., p2: .."),
        (changed(instances=["lft"]), "instances must be a dictionary"),
        (changed(instances=MZI["instances"] | {"top": {"component": "straight", "array": [2, 1]}}), "array of 'top'"),
        (
            changed(instances=MZI["instances"] | {"top": {"component": "straight", "settings": [1]}}),
            "settings of 'top'",
        ),
        (wire_of(None), "top: length must be a number, not None"),
        (
            {"a": {"instances": {"x": "b"}, "ports": {"o": "x,zap"}}, "b": MZI},
            "'x' has no port 'zap'",
        ),
    ],
)
def test_impossible_netlists_name_the_place(netlist, message):
    with pytest.raises(ValueError, match=message):
        circuit(netlist, OURS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"colour": 3.0}, "no model of this circuit has a setting 'colour'"),
        ({"moon": {"length": 1.0}}, "no instance 'moon'"),
        ({"top": {"colour": 1.0}}, "'top' has no setting 'colour'"),
        ({"wl": float("nan")}, "not finite; NaN or infinite settings: .*top, btm: wl"),
        ({"btm": {"length": float("inf")}}, "not finite; NaN or infinite settings: btm: length$"),
        ({"btm": {"loss_dB_cm": -3.0, "length": 1e4}}, "'btm' .straight. amplifies: 1.99526 times .* 3 dB"),
        ({"lft": {"coupling": float("nan")}}, "lft, rgt: coupling is a share of power between 0 and 1, not nan"),
        ({"top": {"length": "long"}}, "top, btm: length must be a number, not 'long'"),
        ({"top": {"length": np.array(["a"])}}, "a setting is a number or an array of numbers"),
        ({"wl": 0.0}, "top, btm: .* is the wavelength or a length zero"),
        ({"wl": torch.zeros(2)}, "not finite; .* is a wavelength or another divisor zero"),
        ({"wl": torch.ones(4), "top": {"length": torch.ones(3)}}, "shapes: .*wl .4,.*length .3,"),
        ({"wl": torch.linspace(1.5, 1.6, 9), "top": {"loss_dB_cm": -1.0, "length": 1e4}}, "'top' .* 1 dB"),
    ],
)
def test_impossible_calls_name_the_place(settings, message):
    ours, _ = circuit(MZI, OURS)
    for engine in ("tape", "torch"):
        with pytest.raises(ValueError, match=message):
            ours.dense(engine=engine, **settings)


def test_a_part_may_amplify_only_where_it_is_named():
    """sax's own reflector lets each port's power be 1, yet amplifies what enters both ports: 1.41 in amplitude."""

    def mirror(reflection=0.5):
        r, t = torch.tensor(reflection + 0j).sqrt(), torch.tensor(1 - reflection + 0j).sqrt()
        return {("o1", "o1"): r, ("o1", "o2"): t, ("o2", "o1"): t, ("o2", "o2"): r}

    quiet, _ = circuit({"instances": {"m": "m"}, "ports": {"a": "m,o1", "b": "m,o2"}}, {"m": lambda r=0.0: mirror(r)})
    for engine in ("tape", "torch"):
        with pytest.raises(ValueError, match=r"'m' .m. amplifies: 1\.8 times"):
            quiet.dense(engine=engine, r=0.2)
    # Two parts that share a row of S^H S, only one of which amplifies.
    a, b = 0.9**0.5, 0.2 / 0.9**0.5

    def odd(*, x=0.0):
        x = torch.as_tensor(x, dtype=torch.float64) + 0j
        return {("o1", "o1"): torch.tensor(a + 0j), ("o2", "o1"): torch.tensor(b + 0j), ("o2", "o3"): x}

    ports = {"i": "A,o1", "j": "A,o2", "k": "A,o3", "l": "B,o1", "m": "B,o2", "n": "B,o3"}
    two, _ = circuit({"instances": {"A": "odd", "B": "odd"}, "ports": ports}, {"odd": odd})
    for loud, quiet_one in ("AB", "BA"):
        with pytest.raises(ValueError, match=f"'{loud}' .odd. amplifies"):
            two.dense(**{loud: {"x": (0.7 - b * b) ** 0.5}, quiet_one: {"x": 0.0}})
    netlist = {"instances": {"m": "mirror", "wire": "straight"}, "connections": {"m,o2": "wire,o1"}}
    netlist |= {"ports": {"in": "m,o1", "out": "wire,o2"}}
    with pytest.raises(ValueError, match=r"'m' .mirror. amplifies: 2 times .* 3.01 dB"):
        circuit(netlist, {"mirror": mirror, "straight": models.straight})
    ours, _ = circuit(netlist, {"mirror": mirror, "straight": models.straight}, active=["mirror"])
    assert abs(ours()["in", "out"]) == pytest.approx(0.5**0.5)


def test_a_lossless_closed_resonance_is_refused_by_name():
    netlist = ALL_PASS | {
        "instances": {"dc": {"component": "coupler", "settings": {"coupling": 0.0}}, "loop": "straight"}
    }
    ours, _ = circuit(netlist, OURS)
    with pytest.raises(ValueError, match="lossless closed resonance: the wave that leaves"):
        ours(loop={"length": 0.0})


def test_unknown_settings_are_listed_and_unused_parts_ignored():
    netlist = changed(
        instances=MZI["instances"]
        | {"top": {"component": "straight", "settings": {"length": 25.0, "layer": "WG"}}, "pad": "bond_pad"}
    )
    _, info = circuit(netlist, OURS)
    assert info.ignored == {"top": ["layer"]}
    assert info.unused == ["pad"]
