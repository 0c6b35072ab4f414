"""Options of the main job, with defaults that depend on data set and backend, resolved in one place."""

import math
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints

import tyro

from photonic_ep.presets import DEVICE_F, NUDGE_A

RUN_ONLY = ("out", "resume", "check", "controls")
DEVICE_OPTIONS = (
    "topology",
    "tile",
    "phase_error",
    "splitter_error",
    "insertion_loss_db",
    "crosstalk",
    "dac_bits",
    "gradient",
)
LIGHT_OPTIONS = ("nudge_mw", "nudge_bits", "nudge_extinction_db")


def auto(metavar: str, default: str) -> object:
    """Show an option whose default depends on data set and backend: what it takes, and what it becomes."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {default})")


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Train an Equilibrium Propagation network on ideal weights or on a simulated photonic chip.

    --backend photonic is reference device F with nudge A. The run's config.json shows what every option became.
    """

    dataset: Annotated[Literal["digits", "mnist"] | None, auto("{digits,mnist}", "digits")] = None
    """digits: scikit-learn's 8 x 8 digits, embedded; mnist: IDX files in --data-dir."""
    data_dir: Annotated[Path | None, auto("DIR", "data")] = None
    """Folder with MNIST/raw/*-ubyte[.gz], as torchvision lays it out."""
    sizes: Annotated[tuple[int, ...] | None, auto("N N ..", "digits: 64 64 10, mnist: 784 256 10")] = None
    """Neurons a layer, input first."""
    backend: Annotated[Literal["ideal", "photonic"] | None, auto("{ideal,photonic}", "photonic")] = None
    """ideal: the matrix itself; photonic: tiles of MZI meshes."""

    topology: Annotated[Literal["clements", "reck"] | None, auto("{clements,reck}", "clements")] = None
    """Shape of the meshes."""
    tile: Annotated[int | None, auto("MODES", "8")] = None
    """Modes of a tile."""
    phase_error: Annotated[float | None, auto("RAD", "0.05")] = None
    """Standard deviation of each heater's phase error [rad]."""
    splitter_error: Annotated[float | None, auto("RAD", "0.02")] = None
    """Standard deviation of each coupler's angle [rad]."""
    insertion_loss_db: Annotated[float | None, auto("DB", "0.1")] = None
    """Loss of both outputs of each MZI [dB]."""
    crosstalk: Annotated[float | None, auto("SHARE", "0.02")] = None
    """Share of a heater's phase that its neighbour gets; the controller does not know it."""
    dac_bits: Annotated[int | None, auto("BITS", "8")] = None
    """Bits of a phase over 2 pi; 0 = continuous."""
    gradient: Annotated[Literal["oracle", "twin"] | None, auto("{oracle,twin}", "twin")] = None
    """Phase gradient from the true device or from the controller's model of it."""

    state_bits: Annotated[int | None, auto("BITS", "photonic: 8, ideal: 0")] = None
    """Bits of a neuron's state; 0 = continuous."""
    output_range: Annotated[tuple[float, float] | None, auto("LOW HIGH", "-0.5 1.5")] = None
    """Range of the output neurons; targets are 0 and 1. A margin beyond them keeps classes from dying."""
    nudge: Annotated[Literal["ideal", "light"] | None, auto("{ideal,light}", "photonic: light, ideal: ideal")] = None
    """ideal: exactly -beta dC/ds; light: intensity on balanced photodiodes."""
    nudge_mode: Annotated[Literal["closed", "frozen"] | None, auto("{closed,frozen}", "frozen")] = None
    """closed: the nudge follows the state; frozen: it is set once from the free state."""
    nudge_mw: Annotated[float | None, auto("MW", "1")] = None
    """Largest power of the nudge's light on a diode [mW]; 1 mW is a drive of 1."""
    nudge_bits: Annotated[int | None, auto("BITS", "8")] = None
    """Bits of the nudge's power; 0 = continuous."""
    nudge_extinction_db: Annotated[float | None, auto("DB", "25")] = None
    """Extinction ratio of the nudge's modulators [dB]; inf = no leak."""

    beta: Annotated[float | None, auto("BETA", "0.2, digits on ideal weights: 0.1")] = None
    """Strength of the nudge; .5 and more is contrastive training, not the gradient."""
    estimator: Annotated[Literal["one-sided", "symmetric"] | None, auto("{one-sided,symmetric}", "symmetric")] = None
    """Phases that are contrasted: free and +beta, or +beta and -beta."""
    steps: Annotated[tuple[int, int] | None, auto("FREE NUDGED", "20 8")] = None
    """Most relaxation sweeps of a free and of a nudged phase."""
    tolerance: Annotated[float | None, auto("TOL", "0.001")] = None
    """Sweeps end when no neuron moves by more."""

    epochs: Annotated[int | None, auto("N", "digits: 25, mnist: 5")] = None
    """Passes over the training set."""
    batch: Annotated[int | None, auto("N", "digits: 20, mnist: 100")] = None
    """Samples an update."""
    optimiser: Annotated[Literal["adam", "sgd"] | None, auto("{adam,sgd}", "adam")] = None
    """adam, or sgd with momentum .9; both with a cosine schedule to 0."""
    lr: Annotated[tuple[float, ...] | None, auto("LR [LR ..]", "photonic: 0.01, ideal: digits 0.003, mnist 0.001")] = (
        None
    )
    """Learning rate of each layer's weights or phases."""
    bias_lr: Annotated[float | None, auto("LR", "0.001")] = None
    """Learning rate of the biases."""
    warmup: Annotated[int | None, auto("N", "200")] = None
    """Updates over which the learning rate rises: a cure for dead outputs."""
    std: Annotated[tuple[float, ...] | None, auto("STD [STD ..]", "digits: 0.06 0.1, mnist: 0.015 0.06")] = None
    """Standard deviation of each layer's first weights."""

    seed: Annotated[int | None, auto("N", "0")] = None
    """Of first weights, device, order of samples and noise."""
    dtype: Annotated[Literal["float32", "float64"] | None, auto("{float32,float64}", "float32")] = None
    """Precision of the simulation."""
    threads: Annotated[int | None, auto("N", "digits: 1, mnist: 2")] = None
    """Threads of torch; a run resumes only at its own count."""

    out: Annotated[Path | None, auto("DIR", "a new one under runs/")] = None
    """Run directory; an existing one must be empty."""
    resume: Annotated[Path | None, auto("RUN", "a new run")] = None
    """Continue this run, bit-exactly, with its own options."""
    controls: bool = True
    """Also train the controls: logistic regression, and the same network with its hidden layers frozen."""
    check: bool = False
    """Exit with 1 if a bar is missed."""


COMMON: dict[str, object] = {
    "dataset": "digits",
    "data_dir": Path("data"),
    "backend": "photonic",
    "output_range": (-0.5, 1.5),
    "nudge_mode": "frozen",
    "estimator": "symmetric",
    "steps": (20, 8),
    "tolerance": 1e-3,
    "optimiser": "adam",
    "warmup": 200,
    "seed": 0,
    "dtype": "float32",
}
DATASETS: dict[str, dict[str, object]] = {
    "digits": {"sizes": (64, 64, 10), "epochs": 25, "batch": 20, "threads": 1, "std": (0.06, 0.1)},
    "mnist": {"sizes": (784, 256, 10), "epochs": 5, "batch": 100, "threads": 2, "std": (0.015, 0.06)},
}
# Digits: chosen on validation splits. MNIST: taken over, not tuned here. Rates do not carry over between hardware.
TUNED: dict[tuple[str, str], dict[str, object]] = {
    ("digits", "ideal"): {"lr": (0.003,), "bias_lr": 0.001, "beta": 0.1},
    ("digits", "photonic"): {"lr": (0.01,), "bias_lr": 0.001, "beta": 0.2},
    ("mnist", "ideal"): {"lr": (0.001,), "bias_lr": 0.001, "beta": 0.2},
    ("mnist", "photonic"): {"lr": (0.01,), "bias_lr": 0.001, "beta": 0.2},
}


def backend_defaults(backend: str) -> dict[str, object]:
    """Return the device's values from its preset, or those of ideal weights."""
    if backend == "ideal":
        return {"state_bits": 0, "nudge": "ideal"}
    f = DEVICE_F.imperfections
    return {
        "topology": DEVICE_F.topology.__name__,
        "tile": DEVICE_F.tile,
        "phase_error": f.phase_error,
        "splitter_error": f.splitter_error,
        "insertion_loss_db": f.insertion_loss_db,
        "crosstalk": f.crosstalk,
        "dac_bits": f.dac_bits,
        "gradient": "twin",
        "state_bits": DEVICE_F.state_bits,
        "nudge": "light",
    }


def resolve(options: TrainOptions) -> TrainOptions:
    """Fill in every default. ValueError names an option that is wrong or that the backend does not have."""
    options = _fill(options, COMMON)
    chosen = DATASETS[options.dataset] | TUNED[options.dataset, options.backend] | backend_defaults(options.backend)
    full = _fill(options, chosen)
    if full.dataset == "mnist":
        # A run resumes from any folder.
        full = replace(full, data_dir=full.data_dir.resolve())
    if full.nudge == "light":
        light = {
            "nudge_mw": NUDGE_A.ceiling_mw,
            "nudge_bits": NUDGE_A.bits,
            "nudge_extinction_db": NUDGE_A.extinction_db,
        }
        full = _fill(full, light)
    _refuse(full, DEVICE_OPTIONS, "--backend ideal", when=full.backend == "ideal")
    _refuse(full, LIGHT_OPTIONS, "--nudge ideal", when=full.nudge == "ideal")
    for name in ("lr", "std"):
        full = replace(full, **{name: _per_layer(name, getattr(full, name), full.sizes)})
    _check_numbers(full)
    return full


def _fill(options: TrainOptions, values: dict[str, object]) -> TrainOptions:
    return replace(options, **{name: v for name, v in values.items() if getattr(options, name) is None})


def _refuse(options: TrainOptions, names: tuple[str, ...], context: str, *, when: bool) -> None:
    given = [flag(name) for name in names if getattr(options, name) is not None]
    if when and given:
        raise ValueError(f"{', '.join(given)} has no meaning with {context}")


def _per_layer(name: str, values: tuple[float, ...], sizes: tuple[int, ...]) -> tuple[float, ...]:
    layers = len(sizes) - 1
    if layers < 1 or min(sizes) < 1 or not values:
        raise ValueError(f"--sizes needs at least two positive numbers and {flag(name)} one, not {sizes} and {values}")
    full = values * layers if len(values) == 1 else values
    if values in [defaults["std"] for defaults in DATASETS.values()]:
        # Other depths than the default's: keep the first and the last, repeat the first between.
        full = (values[0],) * (layers - 1) + values[-1:]
    if len(full) != layers:
        raise ValueError(f"{flag(name)} needs 1 or {layers} numbers for sizes {sizes}, not {len(values)}")
    return full


# Inclusive ranges of every number, elements of tuples included; they keep a slip of the keyboard from a long wait.
RANGES: dict[str, tuple[float, float]] = {
    "sizes": (1, 1_000_000),
    "tile": (2, 256),
    "phase_error": (0, 10),
    "splitter_error": (0, 10),
    "insertion_loss_db": (0, 100),
    "crosstalk": (0, 0.999),
    "dac_bits": (0, 24),
    "state_bits": (0, 16),
    "output_range": (-100, 100),
    "nudge_mw": (1e-9, 1e6),
    "nudge_bits": (0, 16),
    "nudge_extinction_db": (1e-3, math.inf),
    "beta": (-100, 100),
    "steps": (1, 1_000_000),
    "tolerance": (0, 1),
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
    if abs(options.beta) < 1e-6:
        raise ValueError(f"--beta must be other than 0, at least 1e-6 in size, not {options.beta}")
    low, high = options.output_range
    if not low < high:
        raise ValueError(f"--output-range must rise, not {low} .. {high}")
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
    if not isinstance(config, dict) or set(config) != names:
        raise ValueError(f"config.json has other options than this version: {sorted(set(config) ^ names)}")
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in config.items()}
    for name, value in values.items():
        if not _fits(Path(value) if name == "data_dir" and isinstance(value, str) else value, hints[name]):
            raise ValueError(f"config.json: {name} cannot be {value!r}")
    options = TrainOptions(**(values | {"data_dir": Path(str(values["data_dir"]))}))  # pyright: ignore[reportArgumentType]
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
