"""What the options become: defaults that depend on data set, network and backend; checks; the form of config.json."""

import math
from dataclasses import asdict, fields, replace
from pathlib import Path
from types import UnionType
from typing import Literal, Union, get_args, get_origin, get_type_hints

from electronic_ep.crossbar import HEADROOM
from electronic_ep.digital import Accelerator
from electronic_ep.presets import CHIPS
from experiments.common import nets
from experiments.common.options import RUN_ONLY, TrainOptions
from experiments.common.provenance import MADE_BY
from photonic_ep import Imperfections
from photonic_ep.presets import DEVICE_F, HEATERS, MEMS, NON_VOLATILE, UNDERCUT, Device

DEVICES: dict[str, Device] = {
    "F": DEVICE_F,
    "heaters": HEATERS,
    "undercut": UNDERCUT,
    "mems": MEMS,
    "non-volatile": NON_VOLATILE,
}

PATHS = ("data_dir", "weights")
NUDGES = {"ideal": "ideal", "photonic": "light", "crossbar": "current", "digital": "ideal"}
# Options that are numbers of the imperfections, under the same name.
IMPERFECT = (*Imperfections.analogue, "drift_reads", "dac_bits")
PHOTONIC = ("topology", *(n for n in IMPERFECT if n != "stuck"), "floor_plan", "trench")
MEMRISTOR = ("device_spread", "cycle_spread", "read_noise", "polarity")  # under the same name in `Memristor`
CROSSBAR = ("programming", "levels", *MEMRISTOR, "wire_ohm", "terminals")
HARDWARE = ("device", "tile", "stuck", "gradient", "order")
# Which estimators nudge by some hardware, and which have a strength.
NUDGING = ("one-sided", "random-sign", "symmetric", "holomorphic", "vector-field", "asymep")
PULLING = (*NUDGING, "coupled")

CHOICES: dict[str, object] = {
    "dataset": "digits",
    "net": "layered",
    "backend": "photonic",
    "activation": "hard-sigmoid",
    "loss": "mse",
    "estimator": "symmetric",
    "solver": "gauss-seidel",
    "optimiser": "adam",
}
COMMON: dict[str, object] = {
    "data_dir": Path("data"),
    "blocks": 4,
    "cap": 1.8,
    "pooling": "max",
    "output_range": (-0.5, 1.5),
    "neuron_noise": 0.0,
    "nudge_mode": "frozen",
    "order": "sample",
    "homeostasis": 0.0,
    "phases": 6,
    "steps": (20, 8),
    "tolerance": 1e-3,
    "average": 1,
    "momentum": 0.9,
    "schedule": "cosine",
    "decay": 0.0,
    "clip": math.inf,
    "warmup": 200,
    "seed": 0,
    "dtype": "float32",
}
DATASETS: dict[str, dict[str, object]] = {
    "digits": {"epochs": 25, "batch": 20, "threads": 1},
    "mnist": {"epochs": 5, "batch": 100, "threads": 2},
}
NETS: dict[tuple[str, str], dict[str, object]] = {
    ("layered", "digits"): {"sizes": (64, 64, 10), "std": (0.06, 0.1)},
    ("layered", "mnist"): {"sizes": (784, 256, 10), "std": (0.015, 0.06)},
    ("hopfield", "digits"): {"sizes": (64, 64, 10), "std": (0.06, 0.02)},
    ("hopfield", "mnist"): {"sizes": (784, 400, 10), "std": (0.015, 0.01)},
    ("conv", "digits"): {"channels": (16,), "kernel": 3},
    ("conv", "mnist"): {"channels": (16, 32), "kernel": 5},
}
FIRST = {"digits": (64, 10), "mnist": (784, 10)}  # pixels and classes
CONV_GAINS = (0.7, 0.1)  # standard deviation of first weights times sqrt(fan-in): of convolutions, of the last layer
# Digits: chosen on validation splits. MNIST: taken over, not tuned here. Rates do not carry over between hardware.
TUNED: dict[tuple[str, str], dict[str, object]] = {
    ("digits", "ideal"): {"lr": (0.003,), "bias_lr": 0.001, "beta": 0.1},
    ("digits", "crossbar"): {"lr": (0.01,), "bias_lr": 0.001, "beta": 0.2},
    ("digits", "photonic"): {"lr": (0.01,), "bias_lr": 0.001, "beta": 0.2},
    ("digits", "digital"): {"lr": (0.003,), "bias_lr": 0.001, "beta": 0.1},
    ("mnist", "digital"): {"lr": (0.001,), "bias_lr": 0.001, "beta": 0.2},
    ("mnist", "ideal"): {"lr": (0.001,), "bias_lr": 0.001, "beta": 0.2},
    ("mnist", "crossbar"): {"lr": (0.003,), "bias_lr": 0.001, "beta": 0.2},
    ("mnist", "photonic"): {"lr": (0.01,), "bias_lr": 0.001, "beta": 0.2},
}


def resolve(options: TrainOptions) -> TrainOptions:
    """Fill in every default. ValueError names an option that is wrong or that has no meaning beside another."""
    full = _choices(options)
    senseless = _senseless(full)
    for context in dict.fromkeys(senseless.values()):
        given = [flag(n) for n, c in senseless.items() if c == context and getattr(options, n) is not None]
        if given:
            raise ValueError(f"{', '.join(given)} has no meaning with {context}")
    defaults = {name: v for name, v in _defaults(full).items() if name not in senseless}
    if full.net == "conv":
        full, defaults = _fill(full, defaults), defaults | _convolutional(_fill(full, defaults))
    full = _fill(full, defaults)
    _check_shape(full)
    if full.dataset == "mnist":
        # A run resumes from any folder.
        full = replace(full, data_dir=full.data_dir.resolve())
    if full.weights is not None:
        full = replace(full, weights=full.weights.resolve())
    for name in ("lr", "std"):
        full = replace(full, **{name: _per_group(name, getattr(full, name), full)})
    _check_numbers(full)
    return full


def _choices(options: TrainOptions) -> TrainOptions:
    """Settle the options on which others depend."""
    full = _fill(options, CHOICES)
    full = _fill(full, {"output": "readout" if full.loss == "cross-entropy" else "box"})
    if full.loss == "cross-entropy" and full.output != "readout":
        raise ValueError("--loss cross-entropy needs --output readout")
    if full.backend in ("photonic", "crossbar"):
        full = _fill(full, {"device": "F" if full.backend == "photonic" else "cmo-hfox"})
    _check_hardware(full)
    if full.backend == "photonic":
        floor = DEVICES[full.device].imperfections.floor
        if floor is not None and full.crosstalk is None:
            full = _fill(full, {"floor_plan": (floor.pitch_x_um, floor.pitch_y_um), "trench": floor.trench})
    own = "ideal" if full.estimator == "holomorphic" else NUDGES[full.backend]
    return _fill(full, {"nudge": own}) if full.estimator in NUDGING else full


def _check_hardware(full: TrainOptions) -> None:
    """ValueError where a device, a gradient or a nudge is of another backend."""
    known = {"photonic": DEVICES, "crossbar": CHIPS}.get(full.backend)
    if known is not None and full.device not in known:
        raise ValueError(f"--device of --backend {full.backend} is one of {', '.join(known)}, not {full.device}")
    gradients = {"photonic": ("oracle", "twin"), "crossbar": ("oracle", "outer")}.get(full.backend)
    if gradients is not None and full.gradient not in (None, *gradients):
        raise ValueError(f"--gradient of --backend {full.backend} is {' or '.join(gradients)}, not {full.gradient}")
    if full.nudge == "light" and full.backend == "crossbar":
        raise ValueError("--nudge of --backend crossbar is ideal or current, not light")
    if full.nudge in ("light", "current") and full.backend == "digital":
        raise ValueError(f"--nudge of --backend digital is ideal, not {full.nudge}")
    if full.nudge == "current" and full.backend == "photonic":
        raise ValueError("--nudge of --backend photonic is ideal or light, not current")


def _senseless(full: TrainOptions) -> dict[str, str]:
    """Options without a meaning beside these choices, and the choice that leaves them none."""
    boxed = full.output == "box" and full.activation == "hard-sigmoid"
    rules = (
        (("blocks", "cap"), full.net == "hopfield", f"--net {full.net}"),
        (("channels", "kernel", "pooling"), full.net == "conv", f"--net {full.net}"),
        (("output_range",), boxed, f"--output {full.output} and --activation {full.activation}"),
        (("beta",), full.estimator in PULLING, f"--estimator {full.estimator}"),
        (("nudge", "nudge_mode", "order", "homeostasis"), full.estimator in NUDGING, f"--estimator {full.estimator}"),
        (("phases",), full.estimator == "holomorphic", f"--estimator {full.estimator}"),
        (("damping",), full.solver == "gauss-seidel", f"--solver {full.solver}"),
        (("momentum",), full.optimiser == "sgd", f"--optimiser {full.optimiser}"),
        (("nudge_mw", "nudge_extinction_db"), full.nudge == "light", f"--nudge {full.nudge or 'ideal'}"),
        (("nudge_ceiling", "nudge_noise"), full.nudge == "current", f"--nudge {full.nudge or 'ideal'}"),
        (("nudge_bits",), full.nudge in ("light", "current"), f"--nudge {full.nudge or 'ideal'}"),
        (("crosstalk",), full.floor_plan is None, "--floor-plan"),
        (("trench",), full.floor_plan is not None, "crosstalk on a grid: give --floor-plan"),
        (PHOTONIC, full.backend == "photonic", f"--backend {full.backend}"),
        (CROSSBAR, full.backend == "crossbar", f"--backend {full.backend}"),
        (("top",), full.backend in ("crossbar", "digital"), f"--backend {full.backend}"),
        (HARDWARE, full.backend in ("photonic", "crossbar"), f"--backend {full.backend}"),
    )
    return {name: context for names, sense, context in rules if not sense for name in names}


def _defaults(full: TrainOptions) -> dict[str, object]:
    """Return the value of every option that may still be open, whether it has a meaning or not."""
    return {
        **COMMON,
        **DATASETS[full.dataset],
        **NETS[full.net, full.dataset],
        **TUNED[full.dataset, full.backend],
        "damping": 0.7 if full.net == "hopfield" else 1.0,
        **_machine(full),
        **_nudge(full),
        # A holomorphic state is continuous.
        **({"state_bits": 0} if full.estimator == "holomorphic" else {}),
    }


def _machine(full: TrainOptions) -> dict[str, object]:
    """Options of the weights and converters, from the device."""
    if full.backend == "ideal":
        return {"state_bits": 0}
    if full.backend == "digital":
        return {"state_bits": Accelerator().state_bits, "top": HEADROOM}
    if full.backend == "photonic":
        device = DEVICES[full.device]
        return {
            "state_bits": device.state_bits,
            "topology": device.topology.__name__,
            "tile": device.tile,
            **{name: getattr(device.imperfections, name) for name in IMPERFECT},
            "trench": 1.0,
            "gradient": "twin",
        }
    chip = CHIPS[full.device]
    ends = chip.terminals
    return {
        "state_bits": chip.state_bits,
        "tile": chip.tile,
        "programming": "mixed-precision",
        "levels": 0,
        "stuck": chip.memristor.stuck,
        **{name: getattr(chip.memristor, name) for name in MEMRISTOR},
        "wire_ohm": chip.wires.word,
        "terminals": (ends.word_drive, ends.bit_sense, ends.bit_drive, ends.word_sense),
        "top": HEADROOM,
        "gradient": "outer",
    }


def _nudge(full: TrainOptions) -> dict[str, object]:
    """Options of the nudge, from the device; ideal weights borrow that of the reference devices."""
    if full.nudge == "current":
        current = CHIPS[full.device or "cmo-hfox"].nudge
        return {"nudge_bits": current.bits, "nudge_ceiling": current.ceiling, "nudge_noise": current.noise}
    light = DEVICES[full.device if full.backend == "photonic" else "F"].nudge
    return {
        "nudge_mw": light.ceiling_mw,
        "nudge_bits": light.bits,
        "nudge_extinction_db": light.extinction_db,
    }


def _convolutional(full: TrainOptions) -> dict[str, object]:
    """Sizes and first weights that follow from the channels."""
    pixels, classes = FIRST[full.dataset]
    if not full.channels:
        raise ValueError("--channels needs at least one number")
    edges = nets.convolutions(replace(full, sizes=(pixels, classes)))
    sizes = (pixels, *(math.prod(edge.pooled) for edge in edges), classes)
    if full.sizes not in (None, sizes):
        raise ValueError(f"--sizes of --net conv follow from --channels: they are {sizes}, not {full.sizes}")
    fans = [edge.shape(sizes)[1] for edge in edges] + [sizes[-2]]
    gains = [CONV_GAINS[0]] * len(edges) + [CONV_GAINS[1]]
    return {"sizes": sizes, "std": tuple(g / n**0.5 for g, n in zip(gains, fans, strict=True))}


def _check_shape(full: TrainOptions) -> None:
    if len(full.sizes) < 2 or min(full.sizes) < 1:
        raise ValueError(f"--sizes needs at least two positive numbers, not {full.sizes}")
    if full.net == "hopfield" and len(full.sizes) != 3:
        raise ValueError(f"--sizes of --net hopfield are inputs, hidden units and outputs, not {full.sizes}")
    if full.net == "hopfield" and full.backend != "ideal":
        raise ValueError(
            "--net hopfield keeps its matrix within --cap, which a chip does not hold: use --backend ideal"
        )
    if full.skip and (full.net == "hopfield" or len(full.sizes) < 3):
        raise ValueError("--skip needs layers that it can skip: --net layered or conv, and three sizes")
    if full.dac_volts and not (full.backend == "photonic" and full.dac_bits):
        raise ValueError("--dac-volts needs heaters with a converter: --backend photonic, and --dac-bits")


def _fill(options: TrainOptions, values: dict[str, object]) -> TrainOptions:
    return replace(options, **{name: v for name, v in values.items() if getattr(options, name) is None})


def _per_group(name: str, values: tuple[float, ...], options: TrainOptions) -> tuple[float, ...]:
    groups = 2 if options.net == "hopfield" else len(options.sizes) - 1
    if not values:
        raise ValueError(f"{flag(name)} needs at least one number")
    full = values * groups if len(values) == 1 else values
    if name == "std" and values == NETS[options.net, options.dataset].get("std"):
        # Other depths than the default's: keep the first and the last, repeat the first between.
        full = (values[0],) * (groups - 1) + values[-1:]
    if len(full) != groups:
        raise ValueError(f"{flag(name)} needs 1 or {groups} numbers for sizes {options.sizes}, not {len(values)}")
    return full


# Inclusive ranges of every number, elements of tuples included; they keep a slip of the keyboard from a long wait.
RANGES: dict[str, tuple[float, float]] = {
    "sizes": (1, 1_000_000),
    "blocks": (1, 1000),
    "channels": (1, 10_000),
    "kernel": (1, 100),
    "neuron_noise": (0, 100),
    "homeostasis": (0, 1e6),
    "phases": (2, 1000),
    "damping": (1e-6, 1),
    "momentum": (0, 1),
    "decay": (0, 1e6),
    "clip": (1e-12, math.inf),
    "cap": (1e-6, 1e6),
    "tile": (2, 1024),
    "phase_error": (0, 10),
    "splitter_error": (0, 10),
    "insertion_loss_db": (0, 100),
    "crossing_loss_db": (0, 100),
    "imbalance_db": (0, 100),
    "detuning_nm": (-500, 500),
    "crosstalk": (0, 0.999),
    "floor_plan": (1e-3, 1e6),
    "trench": (0, 1),
    "port_phase": (0, 10),
    "port_gain": (0, 10),
    "port_reflection": (0, 0.499),
    "stuck": (0, 1),
    "levels": (0, 24),
    "device_spread": (0, 10),
    "cycle_spread": (0, 100),
    "read_noise": (0, 1),
    "polarity": (-0.9, 10),
    "wire_ohm": (0, 1e6),
    "terminals": (0, 1e6),
    "top": (3, 1e6),
    "phase_noise": (0, 10),
    "detector_noise": (0, 100),
    "drift": (0, 100),
    "drift_reads": (1e-3, 1e18),
    "dac_bits": (0, 24),
    "state_bits": (0, 16),
    "output_range": (-100, 100),
    "nudge_mw": (1e-9, 1e6),
    "nudge_bits": (0, 16),
    "nudge_ceiling": (1e-9, 1e6),
    "nudge_noise": (0, 100),
    "nudge_extinction_db": (1e-3, math.inf),
    "beta": (-100, 100),
    "steps": (1, 1_000_000),
    "tolerance": (0, 1),
    "average": (1, 1_000_000),
    "epochs": (1, 1_000_000),
    "batch": (1, 1_000_000),
    "lr": (0, 1e38),
    "bias_lr": (0, 1e38),
    "warmup": (0, 1_000_000_000),
    "std": (1e-12, 100),
    "seed": (0, 2**63 - 1),
    "threads": (1, 1024),
}


def _check_numbers(options: TrainOptions) -> None:
    for name, (least, most) in RANGES.items():
        value = getattr(options, name)
        for number in value if isinstance(value, tuple) else () if value is None else (value,):
            if not least <= number <= most:
                raise ValueError(f"{flag(name)} must lie between {least:g} and {most:g}, not {number}")
    if options.beta is not None and abs(options.beta) < 1e-6:
        raise ValueError(f"--beta must be other than 0, at least 1e-6 in size, not {options.beta}")
    if options.output_range is not None and not options.output_range[0] < options.output_range[1]:
        raise ValueError(f"--output-range must rise, not {options.output_range[0]} .. {options.output_range[1]}")
    if options.levels == 1:
        raise ValueError("--levels must be 0 or 2 to 24: soft bounds have no states of 1 bit")
    if options.homeostasis and options.gradient == "outer":
        raise ValueError("--homeostasis needs --gradient oracle: outer products are the same in both directions")
    if not any(options.lr):
        raise ValueError("--lr is 0 for every layer: nothing would learn")


def flag(name: str) -> str:
    """Return the option's spelling on the command line."""
    return "--" + name.replace("_", "-")


def to_config(options: TrainOptions) -> dict[str, object]:
    """Return what defines the run, as plain JSON."""
    plain = {name: value for name, value in asdict(options).items() if name not in RUN_ONLY}
    return {
        name: str(v) if isinstance(v, Path) else list(v) if isinstance(v, tuple) else v for name, v in plain.items()
    }


def from_config(config: dict[str, object]) -> TrainOptions:
    """Rebuild resolved options from `to_config`; ValueError names what is not ours, of a wrong type or out of range."""
    hints = get_type_hints(TrainOptions)
    names = set(hints) - set(RUN_ONLY)
    if not isinstance(config, dict) or set(config) - {MADE_BY} != names:
        raise ValueError(f"config.json has other options than this version: {sorted(set(config) - {MADE_BY} ^ names)}")
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in config.items() if name != MADE_BY}
    for name, value in values.items():
        if not _fits(Path(value) if name in PATHS and isinstance(value, str) else value, hints[name]):
            raise ValueError(f"config.json: {name} cannot be {value!r}")
    paths = {name: Path(str(values[name])) for name in PATHS if values[name] is not None}
    options = TrainOptions(**(values | paths))  # pyright: ignore[reportArgumentType]
    if resolve(options) != options:
        raise ValueError("config.json leaves options open that a run has settled")
    return options


def _fits(value: object, hint: object) -> bool:
    """Whether a value is of a field's type: unions, literals, tuples and plain classes; an int is a fine float."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return value in parts
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        kinds = parts[:1] * len(value) if parts[-1] is Ellipsis else parts
        return len(kinds) == len(value) and all(_fits(v, kind) for v, kind in zip(value, kinds, strict=True))
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, hint) and not (isinstance(value, bool) and hint is int)  # pyright: ignore[reportArgumentType]


def resumed(given: TrainOptions, stored: TrainOptions) -> TrainOptions:
    """Options of a run that goes on: the stored ones; ValueError if another value was asked for."""
    if given.out is not None:
        raise ValueError("--out has no meaning with --resume: the run goes on in its own directory")
    for f in fields(TrainOptions):
        asked, kept = getattr(given, f.name), getattr(stored, f.name)
        if f.name not in RUN_ONLY and asked not in (None, kept):
            raise ValueError(f"{flag(f.name)} {asked} differs from the run's {kept}: a resumed run keeps its options")
    return replace(stored, resume=given.resume, controls=given.controls, check=given.check)
