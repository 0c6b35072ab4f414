"""Live progress on a terminal, a line an epoch elsewhere."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ep_core import Ledger, Relaxation
from ep_core.train import Epoch


class TrainingProgress:
    """A bar over all updates with error, residual, reads and time left.

    Args:
        updates: in the whole run.
        done: of them, before this session.
        ledger: of the run.
        show: whether anything is shown at all.

    """

    def __init__(self, updates: int, done: int, ledger: Ledger, *, show: bool = True) -> None:
        self.console, self.ledger, self.show = Console(quiet=not show), ledger, show
        self.error = "validation --"
        columns = (TextColumn("training"), BarColumn(None), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
        self.progress = Progress(
            *columns, TimeRemainingColumn(), console=self.console, disable=not (show and self.console.is_terminal)
        )
        self.task = self.progress.add_task("training", total=updates, completed=done, note="")

    def __enter__(self) -> "TrainingProgress":
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def update(self, free: Relaxation) -> None:
        """One update is done; `free` is its free phase."""
        note = f"{self.error}  residual {float(free.residual.mean()):.1e}  reads {self.ledger.reads:.2e}"
        self.progress.update(self.task, advance=1, note=note)

    def epoch(self, epoch: Epoch, epochs: int) -> None:
        """Show a finished epoch."""
        self.error = f"validation {epoch.val_error:.2f} %"
        if self.show and not self.console.is_terminal:
            print(
                f"epoch {epoch.epoch}/{epochs}  train {epoch.train_error:.2f} %  {self.error}  "
                f"residual {epoch.residual:.1e}  steps {epoch.steps:.1f}",
                flush=True,
            )
