"""Options of the main job, with defaults that depend on data set and backend, resolved in one place."""

import math
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Literal

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

    dataset: Literal["digits", "mnist"] = "digits"
    """digits: scikit-learn's 8 x 8 digits, embedded; mnist: IDX files in --data-dir."""
    data_dir: Path = Path("data")
    """Folder with MNIST/raw/*-ubyte[.gz], as torchvision lays it out."""
    sizes: Annotated[tuple[int, ...] | None, auto("N N ..", "digits: 64 64 10, mnist: 784 256 10")] = None
    """Neurons a layer, input first."""
    backend: Literal["ideal", "photonic"] = "photonic"
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
    output_range: tuple[float, float] = (-0.5, 1.5)
    """Range of the output neurons; targets are 0 and 1. A margin beyond them keeps classes from dying."""
    nudge: Annotated[Literal["ideal", "light"] | None, auto("{ideal,light}", "photonic: light, ideal: ideal")] = None
    """ideal: exactly -beta dC/ds; light: intensity on balanced photodiodes."""
    nudge_mode: Literal["closed", "frozen"] = "frozen"
    """closed: the nudge follows the state; frozen: it is set once from the free state."""
    nudge_mw: Annotated[float | None, auto("MW", "1")] = None
    """Largest power of the nudge's light on a diode [mW]; 1 mW is a drive of 1."""
    nudge_bits: Annotated[int | None, auto("BITS", "8")] = None
    """Bits of the nudge's power; 0 = continuous."""
    nudge_extinction_db: Annotated[float | None, auto("DB", "25")] = None
    """Extinction ratio of the nudge's modulators [dB]; inf = no leak."""

    beta: Annotated[float | None, auto("BETA", "0.2, digits on ideal weights: 0.1")] = None
    """Strength of the nudge; .5 and more is contrastive training, not the gradient."""
    estimator: Literal["one-sided", "symmetric"] = "symmetric"
    """Phases that are contrasted: free and +beta, or +beta and -beta."""
    steps: tuple[int, int] = (20, 8)
    """Most relaxation sweeps of a free and of a nudged phase."""
    tolerance: float = 1e-3
    """Sweeps end when no neuron moves by more."""

    epochs: Annotated[int | None, auto("N", "digits: 25, mnist: 5")] = None
    """Passes over the training set."""
    batch: Annotated[int | None, auto("N", "digits: 20, mnist: 100")] = None
    """Samples an update."""
    optimiser: Literal["adam", "sgd"] = "adam"
    """adam, or sgd with momentum .9; both with a cosine schedule to 0."""
    lr: Annotated[tuple[float, ...] | None, auto("LR [LR ..]", "photonic: 0.01, ideal: digits 0.003, mnist 0.001")] = (
        None
    )
    """Learning rate of each layer's weights or phases."""
    bias_lr: Annotated[float | None, auto("LR", "0.001")] = None
    """Learning rate of the biases."""
    warmup: int = 200
    """Updates over which the learning rate rises: a cure for dead outputs."""
    std: Annotated[tuple[float, ...] | None, auto("STD [STD ..]", "digits: 0.06 0.1, mnist: 0.015 0.06")] = None
    """Standard deviation of each layer's first weights."""

    seed: int = 0
    """Of first weights, device, order of samples and noise."""
    dtype: Literal["float32", "float64"] = "float32"
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


DATASETS: dict[str, dict[str, object]] = {
    "digits": {"sizes": (64, 64, 10), "epochs": 25, "batch": 20, "threads": 1, "std": (0.06, 0.1)},
    "mnist": {"sizes": (784, 256, 10), "epochs": 5, "batch": 100, "threads": 2, "std": (0.015, 0.06)},
}
# Chosen on validation splits; rates do not carry over between hardware.
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
    chosen = DATASETS[options.dataset] | TUNED[options.dataset, options.backend] | backend_defaults(options.backend)
    full = _fill(options, chosen)
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
    if layers < 1 or min(sizes) < 1:
        raise ValueError(f"--sizes needs at least two positive numbers, not {sizes}")
    full = values * layers if len(values) == 1 else values
    if name == "std" and len(values) != layers:
        # Other depths than the tuned one: keep the first and the last, repeat the first between.
        full = (values[0],) * (layers - 1) + values[-1:]
    if len(full) != layers:
        raise ValueError(f"{flag(name)} needs 1 or {layers} numbers for sizes {sizes}, not {len(values)}")
    return full


def _check_numbers(options: TrainOptions) -> None:
    for name in ("epochs", "batch", "threads"):
        if getattr(options, name) < 1:
            raise ValueError(f"{flag(name)} must be at least 1, not {getattr(options, name)}")
    if options.warmup < 0:
        raise ValueError(f"--warmup must not be negative: {options.warmup}")
    if options.beta == 0 or not math.isfinite(options.beta or 0):
        raise ValueError(f"--beta must be a finite number other than 0, not {options.beta}")
    low, high = options.output_range
    if not low < high:
        raise ValueError(f"--output-range must rise, not {low} .. {high}")


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
    """Rebuild resolved options from `to_config`; ValueError where the keys are not ours."""
    names = {f.name for f in fields(TrainOptions)} - set(RUN_ONLY)
    if set(config) != names:
        raise ValueError(f"config.json has other options than this version: {sorted(set(config) ^ names)}")
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in config.items()}
    return TrainOptions(**(values | {"data_dir": Path(str(values["data_dir"]))}))  # pyright: ignore[reportArgumentType]


def resumed(given: TrainOptions, stored: TrainOptions) -> TrainOptions:
    """Options of a run that goes on: the stored ones; ValueError if another value was asked for."""
    if given.out is not None:
        raise ValueError("--out has no meaning with --resume: the run goes on in its own directory")
    for f in fields(TrainOptions):
        asked, kept = getattr(given, f.name), getattr(stored, f.name)
        if f.name not in RUN_ONLY and asked not in (f.default, kept):
            raise ValueError(f"{flag(f.name)} {asked} differs from the run's {kept}: a resumed run keeps its options")
    return replace(stored, resume=given.resume, controls=given.controls, check=given.check)
