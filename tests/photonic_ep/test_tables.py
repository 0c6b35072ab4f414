"""Measured parts: read what other programs write, agree with the part that was sampled, refuse what is not physical."""

import numpy as np
import pytest
import sax
import skrf
import torch

from photonic_ep import circuit, models, tables, time_domain

C = 2.99792458e14  # um/s
WL = np.linspace(1.5, 1.6, 101)
BETWEEN = torch.linspace(1.503, 1.597, 37, dtype=torch.float64)
SETTINGS = {"length": 40.0, "coupling0": 0.7, "dn": 0.02}  # no amplitude passes through zero, where it has a kink
PORTS = ("o1", "o2", "o3", "o4")


def sampled(wl=WL, delay_um=30.0, gain=1.0):
    """S (wl, out, in) of a coupler with wires, a part whose phase and amplitude both move."""
    s = models.coupler(wl=torch.from_numpy(wl), **SETTINGS)
    wire = models.straight(wl=torch.from_numpy(wl), length=delay_um)["o1", "o2"]
    whole = np.zeros((len(wl), 4, 4), dtype=complex)
    for (a, b), value in s.items():
        whole[:, PORTS.index(b), PORTS.index(a)] = (gain * wire * value).numpy()
    return whole


def write_touchstone(folder, s, wl=WL):
    """With Touchstone's e^{-i k x}, frequencies rising."""
    network = skrf.Network(f=(C / wl)[::-1], s=np.conj(s[::-1]), z0=50)
    network.write_touchstone(str(folder / "part"))
    return folder / "part.s4p"


def write_lumerical(folder, s, wl=WL, delay_ps=0.0):
    lines = ['["port 1","LEFT"]', '["port 2","LEFT"]', '["port 3","RIGHT"]', '["port 4","RIGHT"]']
    f = C / wl
    removed = 2 * np.pi * delay_ps * 1e-12 * (f - (f[0] + f[-1]) / 2)
    for out in range(4):
        for into in range(4):
            head = f'("port {out + 1}","mode 1",1,"port {into + 1}",1,"transmission"'
            lines += [head + (f",{delay_ps * 1e-12})" if delay_ps else ")"), f"({len(f)},3)"]
            phase = np.unwrap(np.angle(s[:, out, into])) - removed
            rows = zip(f, np.abs(s[:, out, into]), phase, strict=True)
            lines += [f"{x:.17g} {y:.17g} {z:.17g}" for x, y, z in rows]
    path = folder / "part.sparam"
    path.write_text("\n".join(lines) + "\n")
    return path


def parts_of(folder):
    s = sampled()
    yield "touchstone", tables.touchstone(write_touchstone(folder, s))
    yield "lumerical", tables.lumerical(write_lumerical(folder, s))
    yield "lumerical, delay apart", tables.lumerical(write_lumerical(folder, s, delay_ps=0.34))


def test_a_table_is_the_part_that_was_sampled(tmp_path):
    """At its own wavelengths exactly, between them to the fourth order of their distance."""
    wire = models.straight(wl=BETWEEN, length=30.0)["o1", "o2"]
    truth = {key: wire * value for key, value in models.coupler(wl=BETWEEN, **SETTINGS).items()}
    for name, table in parts_of(tmp_path):
        assert table.ports == PORTS
        assert set(table.keys) == set(truth), name
        for key, value in table(wl=BETWEEN).items():
            torch.testing.assert_close(value, truth[key], atol=1e-5, rtol=0)
        knots = table(wl=torch.from_numpy(WL))
        for a, b in table.keys:
            np.testing.assert_allclose(knots[a, b].numpy(), sampled()[:, PORTS.index(b), PORTS.index(a)], atol=1e-9)


@pytest.mark.filterwarnings("ignore::sax.ExperimentalWarning")
def test_sax_reads_the_same_numbers_from_the_same_file(tmp_path):
    path = write_lumerical(tmp_path, sampled())
    table = tables.lumerical(path)
    frame = sax.parse_lumerical_dat(str(path))
    for (into, out), rows in frame.groupby(["port_in", "port_out"]):
        names = into.replace("port_", "o"), out.replace("port_", "o")
        theirs = rows["amp"].to_numpy() * np.exp(1j * rows["phi"].to_numpy())
        if names in table.keys:
            ours = table(wl=torch.from_numpy(C / rows["f"].to_numpy()))[names].numpy()
            np.testing.assert_allclose(ours, theirs, atol=1e-9)
        else:
            assert not theirs.any()


def test_group_delay_is_that_of_the_wire():
    """ng L / c = 3.4 * 300 um / c, the wire alone; between the table's points it stays positive."""
    s = np.zeros((101, 2, 2), dtype=complex)
    s[:, 0, 1] = s[:, 1, 0] = models.straight(wl=torch.from_numpy(WL), length=300.0)["o1", "o2"].numpy()
    table = tables.Table(wl=WL, s=s, ports=["o1", "o2"])
    assert table.group_delay("o1", "o2")[50] == pytest.approx(3.4 * 300 / C * 1e12, rel=1e-3)
    assert (table.group_delay("o1", "o2") > 0).all()
    with pytest.raises(ValueError, match="no entry from 'o1' to 'o9'"):
        table.group_delay("o1", "o9")


def test_a_table_in_a_circuit_with_gradients_in_wavelength(tmp_path):
    table = tables.touchstone(write_touchstone(tmp_path, sampled()), ports={"o1": "west"})
    netlist = {
        "instances": {"part": "table", "wire": {"component": "straight", "settings": {"length": 12.0}}},
        "connections": {"part,o3": "wire,o1"},
        "ports": {"in": "part,west", "out": "wire,o2"},
    }
    ours, _ = circuit(netlist, {"table": table, "straight": models.straight})
    wl = BETWEEN[:5].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda w: torch.view_as_real(ours.dense(wl=w)[0]), wl)
    expected = table(wl=BETWEEN)["west", "o3"] * models.straight(wl=BETWEEN, length=12.0)["o1", "o2"]
    torch.testing.assert_close(ours(wl=BETWEEN)["in", "out"], expected, atol=1e-12, rtol=0)
    with pytest.raises(ValueError, match=r"part.s4p: the wavelength 1.7 um is outside the table, 1.5 to 1.6 um"):
        ours(wl=1.7)


def test_a_table_elsewhere_than_the_default_wavelength_waits_for_its_own(tmp_path):
    wl = np.linspace(1.28, 1.34, 31)
    table = tables.touchstone(write_touchstone(tmp_path, sampled(wl), wl))
    ours, _ = circuit({"instances": {"a": "t"}, "ports": {"in": "a,o1", "out": "a,o4"}}, {"t": table})
    assert abs(ours(wl=1.31)["in", "out"]) > 0.1
    with pytest.raises(ValueError, match=r"1.55 um is outside the table, 1.28 to 1.34 um"):
        ours()
    # As a part of another circuit, and with a carrier at the table's edge.
    whole, _ = circuit({"instances": {"x": "inner"}, "ports": {"p": "x,in", "q": "x,out"}}, {"inner": ours})
    torch.testing.assert_close(whole(wl=1.31)["p", "q"], ours(wl=1.31)["in", "out"])
    netlist = {"instances": {"a": "t"}, "ports": {"in": "a,o1", "out": "a,o4"}}
    domain = time_domain.TimeDomain(netlist, {"t": table}, dt_ps=0.05, wl=1.28)
    assert domain.delays["a"] == round(0.34 / 0.05)


def test_gain_of_a_table_is_refused_clipped_or_kept(tmp_path):
    path = write_lumerical(tmp_path, sampled(gain=1.02))
    with pytest.raises(ValueError, match=r"part.sparam amplifies: 0.172 dB at 1\.\d+ um"):
        tables.lumerical(path)
    wl = torch.from_numpy(WL)
    clipped, kept = (tables.lumerical(path, gain=gain)(wl=wl)["o1", "o4"] for gain in ("clip", "keep"))
    torch.testing.assert_close(kept, 1.02 * clipped, atol=1e-9, rtol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"s": np.conj(sampled())}, "group delay from o. to o. is negative, -0.3"),
        ({"s": np.where(np.arange(101)[:, None, None] == 3, np.nan, sampled())}, "NaN"),
        ({"wl": np.where(WL > 1.55, 1.6, WL)}, "different wavelengths"),
        ({"wl": WL[:1], "s": sampled()[:1]}, "two or more"),
        ({"ports": ("o1", "o2", "o3")}, "does not fit"),
        ({"ports": ("o1", "o2", "o3", "o3")}, "does not fit"),
        ({"s": np.zeros((101, 4, 4), dtype=complex)}, "the table is dark"),
    ],
)
def test_impossible_tables_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        tables.Table(**{"wl": WL, "s": sampled(), "ports": PORTS, **change})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no S-parameters of mode 1; modes: none"),
        ('("port 1","TE",2,"port 1",2,"transmission")\n(2,3)\n1e14 0 0\n2e14 0 0\n', r"of mode 1; modes: \[2\]"),
        ('("port 1","TE",1,"port 1",1,"transmission")\n(3,3)\n1e14 0 0\n2e14 0 0\n', "line 1: no block"),
        ('("port 1","TE",1,"port 1",1,"transmission")\n(2,3)\n1e14 0 0\n2e14 zero 0\n', "line 1: no block"),
        ('("port 1","TE",1,"port 1",1,"transmission",0,"L")\n(1,3)\n1e14 0 0\n', "line 1: .* swept"),
        ('("port 1","TE",1,"port 1",1,"transmission")\n(1,2)\n1e14 0\n', "line 1: no block"),
        (2 * '("port 1","TE",1,"port 1",1,"transmission")\n(2,3)\n1e14 0.1 0\n2e14 0.1 0\n', "is there twice"),
        ('("port 1","TE")\n(2,3)\n1e14 0 0\n2e14 0 0\n', "line 1: no block"),
    ],
)
def test_files_that_are_no_tables_name_the_line(tmp_path, text, message):
    path = tmp_path / "bad.dat"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        tables.lumerical(path)


def test_bare_two_port_tables(tmp_path):
    """Frequency, S21; frequency, S11, S21 of a symmetric part; all four."""
    f = C / WL
    wire = models.straight(wl=torch.from_numpy(WL), length=30.0)["o1", "o2"].numpy()
    phase = np.unwrap(np.angle(wire))
    back, zero = np.full_like(f, 0.1), np.zeros_like(f)
    tables_of = {
        3: [f, 0.9 * np.ones_like(f), phase],
        5: [f, back, zero, 0.9 * np.ones_like(f), phase],
        9: [f, back, zero, 0.9 * np.ones_like(f), phase, 0.9 * np.ones_like(f), phase, back, zero],
    }
    for columns in tables_of.values():
        np.savetxt(tmp_path / "taper.dat", np.stack(columns, 1))
        table = tables.lumerical(tmp_path / "taper.dat")
        values = table(wl=torch.from_numpy(WL))
        for key in (("o1", "o2"), ("o2", "o1")):
            np.testing.assert_allclose(values[key].numpy(), 0.9 * wire, atol=1e-9)
        assert (("o2", "o2") in table.keys) == (len(columns) > 3)


def test_a_touchstone_file_that_is_none(tmp_path):
    (tmp_path / "x.s2p").write_text("hello")
    with pytest.raises(ValueError, match="no Touchstone file"):
        tables.touchstone(tmp_path / "x.s2p")
    with pytest.raises(ValueError, match="has no port 'o7'"):
        tables.touchstone(write_touchstone(tmp_path, sampled()), ports={"o7": "x"})
