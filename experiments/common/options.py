"""Options of the main job; `resolve` says what those become that are not given."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

Estimate = Literal[
    "one-sided",
    "random-sign",
    "symmetric",
    "holomorphic",
    "vector-field",
    "asymep",
    "hebbian",
    "coupled",
    "adjoint",
    "bptt",
    "backpropagation",
]
RUN_ONLY = ("out", "resume", "check", "controls")


def auto(metavar: str, default: str) -> object:
    """Show an option whose default depends on data set and backend: what it takes, and what it becomes."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {default})")


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Train an Equilibrium Propagation network on ideal weights, a simulated photonic chip or memristor crossbars.

    --backend photonic is reference device F with nudge A, crossbar is cmo-hfox, or another --device. The run's
    config.json shows what every option became.
    """

    dataset: Annotated[Literal["digits", "mnist"] | None, auto("{digits,mnist}", "digits")] = None
    """digits: scikit-learn's 8 x 8 digits, embedded; mnist: IDX files in --data-dir."""
    data_dir: Annotated[Path | None, auto("DIR", "data")] = None
    """Folder with MNIST/raw/*-ubyte[.gz], as torchvision lays it out."""
    net: Annotated[Literal["layered", "hopfield", "conv"] | None, auto("{layered,hopfield,conv}", "layered")] = None
    """layered: each layer with the next; hopfield: all units with all; conv: convolutions with pooling, then dense."""
    sizes: Annotated[tuple[int, ...] | None, auto("N N ..", "digits: 64 64 10, mnist: 784 256 10")] = None
    """Neurons a layer, input first; those of --net conv follow from --channels."""
    skip: bool = False
    """Also join each layer with the one after the next."""
    blocks: Annotated[int | None, auto("N", "4")] = None
    """Blocks of hidden units of --net hopfield that are updated one after the other."""
    channels: Annotated[tuple[int, ...] | None, auto("N [N ..]", "16 32")] = None
    """Features of each convolution of --net conv."""
    kernel: Annotated[int | None, auto("PIXELS", "5")] = None
    """Side of the convolutions' kernels."""
    pooling: Annotated[Literal["max", "mean"] | None, auto("{max,mean}", "max")] = None
    """How squares of 2 x 2 outputs of a convolution become one."""
    activation: Annotated[
        Literal["hard-sigmoid", "sigmoid", "tanh", "softplus", "modulator"] | None,
        auto("{hard-sigmoid,sigmoid,tanh,softplus,modulator}", "hard-sigmoid"),
    ] = None
    """Transfer of the hidden neurons, and of boxed outputs other than hard sigmoids."""
    output: Annotated[Literal["box", "linear", "readout"] | None, auto("{box,linear,readout}", "box")] = None
    """box: output neurons clipped to --output-range; linear: unclipped; readout: W s + b outside the energy."""
    loss: Annotated[Literal["mse", "cross-entropy"] | None, auto("{mse,cross-entropy}", "mse")] = None
    """Squared error, or cross-entropy of the softmax of a read-out."""
    neuron_noise: Annotated[float | None, auto("STD", "0")] = None
    """Standard deviation of the noise that every update of a neuron adds."""
    backend: Annotated[
        Literal["ideal", "photonic", "crossbar", "digital"] | None,
        auto("{ideal,photonic,crossbar,digital}", "photonic"),
    ] = None
    """ideal: the matrix itself; photonic: tiles of MZI meshes; crossbar: pairs of memristors; digital: int8 in SRAM."""

    device: Annotated[str | None, auto("NAME", "photonic: F, crossbar: cmo-hfox")] = None
    """Preset from which the options below come that are not given. photonic: F, heaters, undercut, mems, non-volatile;
    crossbar: cmo-hfox, reram-sb, reram-om, hfo2, dpe, neurram, pcm. See `presets` of either package."""
    topology: Annotated[Literal["clements", "reck", "fftnet"] | None, auto("{clements,reck,fftnet}", "clements")] = None
    """Shape of the meshes; fftnet has few MZIs, crossings, and tiles of a power of 2."""
    tile: Annotated[int | None, auto("N", "photonic: 8, crossbar: the device's")] = None
    """Modes of a tile of meshes, or lines of a tile of memristors."""
    phase_error: Annotated[float | None, auto("RAD", "0.05")] = None
    """Standard deviation of each heater's phase error [rad]."""
    splitter_error: Annotated[float | None, auto("RAD", "0.02")] = None
    """Standard deviation of each coupler's angle [rad]."""
    insertion_loss_db: Annotated[float | None, auto("DB", "0.1")] = None
    """Loss of both outputs of each MZI [dB]."""
    crossing_loss_db: Annotated[float | None, auto("DB", "0.16")] = None
    """Loss of each waveguide at each crossing [dB]; only --topology fftnet has some."""
    imbalance_db: Annotated[float | None, auto("DB", "0")] = None
    """Each heated arm loses |N(0, this)| more than the arm beside it [dB]."""
    detuning_nm: Annotated[float | None, auto("NM", "0")] = None
    """Wavelength of the laser minus the design's [nm]."""
    crosstalk: Annotated[float | None, auto("SHARE", "0.02")] = None
    """Share of a heater's phase that its neighbour gets; the controller does not know it."""
    floor_plan: Annotated[tuple[float, float] | None, auto("UM UM", "none")] = None
    """Instead of --crosstalk: length of a column and distance of waveguides [um], by which heat flows in silicon."""
    trench: Annotated[float | None, auto("SHARE", "1")] = None
    """Share of the heat that trenches of a --floor-plan let pass; .21: deep ones."""
    port_phase: Annotated[float | None, auto("RAD", "0")] = None
    """Standard deviation of each port's phase, in each direction [rad]: backwards light then sees another matrix."""
    port_gain: Annotated[float | None, auto("SHARE", "0")] = None
    """Relative standard deviation of each port's gain, in each direction."""
    port_reflection: Annotated[float | None, auto("AMPLITUDE", "0")] = None
    """Root mean square of the amplitude that each port of a tile reflects, in each direction."""
    stuck: Annotated[float | None, auto("SHARE", "0")] = None
    """Share of the heaters, or of the memristors, that are dead; the controller does not know which."""
    phase_noise: Annotated[float | None, auto("RAD", "0")] = None
    """Standard deviation of every phase in every read [rad]."""
    detector_noise: Annotated[float | None, auto("STD", "0")] = None
    """Standard deviation of what a receiver adds to every read; 1 is a drive of 1."""
    drift: Annotated[float | None, auto("RAD", "0")] = None
    """Standard deviation of what phases wander off by in the long run [rad]; oscillators are realigned every epoch."""
    drift_reads: Annotated[float | None, auto("N", "1e6")] = None
    """Time constant of --drift, in reads of an operator."""
    dac_bits: Annotated[int | None, auto("BITS", "8")] = None
    """Bits of a phase over 2 pi; 0 = continuous."""
    dac_volts: bool = False
    """The heaters' converters step in volts instead of in phase."""
    gradient: Annotated[
        Literal["oracle", "twin", "outer"] | None, auto("{oracle,twin,outer}", "photonic: twin, crossbar: outer")
    ] = None
    """Of the true device (oracle), of the controller's model of a mesh (twin), or the outer product of the states at a
    crossbar's lines (outer)."""

    programming: Annotated[
        Literal["mixed-precision", "stochastic", "sign", "write-verify", "tiki-taka"] | None,
        auto("{mixed-precision,stochastic,sign,write-verify,tiki-taka}", "mixed-precision"),
    ] = None
    """How changes become pulses on memristors."""
    levels: Annotated[int | None, auto("BITS", "the device's own response")] = None
    """States of a memristor with soft bounds; 0 = the device's own response."""
    device_spread: Annotated[float | None, auto("SHARE", "the device's")] = None
    """Relative standard deviation of the steps of different memristors."""
    cycle_spread: Annotated[float | None, auto("SHARE", "the device's")] = None
    """Relative standard deviation of the pulses of one memristor."""
    read_noise: Annotated[float | None, auto("SHARE", "the device's")] = None
    """Relative standard deviation of a memristor's conductance in a read."""
    polarity: Annotated[float | None, auto("SHARE", "the device's")] = None
    """Relative excess of the conductance for currents from bit to word line: backwards is then another matrix."""
    wire_ohm: Annotated[float | None, auto("OHM", "the device's")] = None
    """Resistance of a line from one memristor to the next [ohm]; 0 = no wires."""
    terminals: Annotated[tuple[float, float, float, float] | None, auto("OHM OHM OHM OHM", "the device's")] = None
    """Resistance at the lines' ends [ohm]: word driven, bit sensed (forwards); bit driven, word sensed (backwards)."""
    top: Annotated[float | None, auto("FACTOR", "8")] = None
    """Largest weight of a pair, or of int8, over the standard deviation of the first weights."""

    state_bits: Annotated[int | None, auto("BITS", "ideal: 0, all others: 8")] = None
    """Bits of a neuron's state; 0 = continuous."""
    output_range: Annotated[tuple[float, float] | None, auto("LOW HIGH", "-0.5 1.5")] = None
    """Range of the output neurons; targets are 0 and 1. A margin beyond them keeps classes from dying."""
    nudge: Annotated[
        Literal["ideal", "light", "current"] | None,
        auto("{ideal,light,current}", "photonic: light, crossbar: current, else ideal"),
    ] = None
    """ideal: exactly -beta dC/ds; light: intensity on balanced photodiodes; current: sources at the outputs' lines."""
    nudge_mode: Annotated[Literal["closed", "frozen"] | None, auto("{closed,frozen}", "frozen")] = None
    """closed: the nudge follows the state; frozen: it is set once from the free state."""
    nudge_mw: Annotated[float | None, auto("MW", "1")] = None
    """Largest power of the nudge's light on a diode [mW]; 1 mW is a drive of 1."""
    nudge_bits: Annotated[int | None, auto("BITS", "8")] = None
    """Bits of the nudge's power or current; 0 = continuous."""
    nudge_ceiling: Annotated[float | None, auto("DRIVE", "1")] = None
    """Largest current of the nudge; 1 is a drive of 1."""
    nudge_noise: Annotated[float | None, auto("STD", "0")] = None
    """Standard deviation of the nudge's current in every read; 1 is a drive of 1."""
    nudge_extinction_db: Annotated[float | None, auto("DB", "25")] = None
    """Extinction ratio of the nudge's modulators [dB]; inf = no leak."""

    beta: Annotated[float | None, auto("BETA", "0.2, digits on ideal weights: 0.1")] = None
    """Strength of the nudge; .5 and more is contrastive training, not the gradient."""
    estimator: Annotated[Estimate | None, auto("NAME", "symmetric")] = None
    """EP: one-sided, random-sign, symmetric, holomorphic, vector-field, asymep; controls: hebbian, coupled (clamped
    outputs); referees: adjoint, bptt, backpropagation."""
    order: Annotated[Literal["sample", "batch"] | None, auto("{sample,batch}", "sample")] = None
    """What a drifting device does first: all phases of a sample, or each phase of the whole batch."""
    homeostasis: Annotated[float | None, auto("STRENGTH", "0")] = None
    """Weight of Jacobian homeostasis beside the cost: draws backward weights to forward ones, where they differ."""
    phases: Annotated[int | None, auto("N", "6")] = None
    """Nudged phases of the holomorphic estimator."""
    solver: Annotated[
        Literal["gauss-seidel", "synchronous", "flow", "anderson"] | None,
        auto("{gauss-seidel,synchronous,flow,anderson}", "gauss-seidel"),
    ] = None
    """How the neurons relax."""
    damping: Annotated[float | None, auto("SHARE", "1, hopfield: 0.7")] = None
    """Share of the way that a Gauss-Seidel update goes."""
    steps: Annotated[tuple[int, int] | None, auto("FREE NUDGED", "20 8")] = None
    """Most relaxation sweeps of a free and of a nudged phase."""
    tolerance: Annotated[float | None, auto("TOL", "0.001")] = None
    """Sweeps end when no neuron moves by more."""
    average: Annotated[int | None, auto("N", "1")] = None
    """Last sweeps of a phase whose mean state is taken, against noise; above 1 a phase makes all its sweeps."""

    epochs: Annotated[int | None, auto("N", "digits: 25, mnist: 5")] = None
    """Passes over the training set."""
    batch: Annotated[int | None, auto("N", "digits: 20, mnist: 100")] = None
    """Samples an update."""
    optimiser: Annotated[Literal["adam", "sgd"] | None, auto("{adam,sgd}", "adam")] = None
    """Turns gradients into changes."""
    momentum: Annotated[float | None, auto("SHARE", "0.9")] = None
    """Momentum of --optimiser sgd."""
    schedule: Annotated[
        Literal["cosine", "constant", "staircase"] | None, auto("{cosine,constant,staircase}", "cosine")
    ] = None
    """Learning rates fall to 0 as a cosine, stay, or halve five times in a run; all rise over --warmup."""
    decay: Annotated[float | None, auto("LAMBDA", "0")] = None
    """lambda/2 |W|^2 of every operator is added to the cost."""
    clip: Annotated[float | None, auto("NORM", "inf")] = None
    """Longest gradient; longer ones are shortened."""
    cap: Annotated[float | None, auto("LAMBDA", "none, hopfield: 1.8")] = None
    """Most that the largest eigenvalue of the couplings of --net hopfield may be: they are scaled down to it."""
    lr: Annotated[
        tuple[float, ...] | None,
        auto("LR [LR ..]", "photonic, crossbar: 0.01, ideal, digital: digits 0.003, mnist 0.001"),
    ] = None
    """Learning rate of each layer's weights or phases; --net hopfield: of the input's edges, and of all others."""
    bias_lr: Annotated[float | None, auto("LR", "0.001")] = None
    """Learning rate of the biases."""
    warmup: Annotated[int | None, auto("N", "200")] = None
    """Updates over which the learning rate rises: a cure for dead outputs."""
    std: Annotated[tuple[float, ...] | None, auto("STD [STD ..]", "digits: 0.06 0.1, mnist: 0.015 0.06")] = None
    """Standard deviation of each layer's first weights; --net hopfield: of the input's edges, and of all others."""

    weights: Annotated[Path | None, auto("FILE", "drawn from --seed")] = None
    """First weights and biases instead of random ones: .npz or .safetensors as experiments/convert.py writes them."""
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
