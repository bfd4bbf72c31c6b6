"""`make soak`: run the load for an hour at ten calls a second; print the figures, and plot them if asked."""

import argparse
import asyncio
import os
from pathlib import Path

from tests.soak.soak import MIB, Sample, Soaked, soak

TELL_SECONDS = 60.0


def main() -> None:
    """Run the load; exit with an error if a promise does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3_600.0)
    parser.add_argument("--rate", type=float, default=10.0, help="calls a second")
    parser.add_argument("--plot", type=Path, help="where to draw the picture")
    given = parser.parse_args()
    told = [-TELL_SECONDS]

    def tell(sample: Sample) -> None:
        if sample.second - told[-1] >= TELL_SECONDS:
            told.append(sample.second)
            print(
                f"{sample.second:6.0f} s  {sample.memory / MIB:6.2f} MB  {sample.descriptors} descriptors  "
                f"Redis {sample.redis / MIB:.1f} MB",
                flush=True,
            )

    soaked = asyncio.run(soak(given.seconds, given.rate, tell))
    print(soaked.told())
    if given.plot:
        draw(soaked, given.plot)
    for line in soaked.errors[:10]:
        print(line)
    if broken := soaked.broken():
        raise SystemExit(f"does not hold: {'; '.join(broken)}")


def draw(soaked: Soaked, path: Path) -> None:
    """Draw memory and descriptors over time."""
    import matplotlib as mpl  # noqa: PLC0415 - only a plot needs it

    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - loaded only where it is needed

    minutes = [sample.second / 60 for sample in soaked.samples]
    figure, (memory, descriptors) = plt.subplots(2, 1, sharex=True, figsize=(9, 5.5), height_ratios=(3, 1))
    memory.plot(minutes, [sample.memory / MIB for sample in soaked.samples], color="#1f5fa8")
    memory.set_ylabel("daemon, MB resident")
    memory.set_ylim(bottom=0)
    before, after = soaked.descriptors()
    memory.set_title(
        f"{sum(soaked.settled.values()):,} calls at {soaked.rate:g}/s: after the warm-up "
        f"{soaked.growth():+.2f} MB, descriptors {before} → {after} ({os.cpu_count()} shared cores)"
    )
    descriptors.plot(minutes, [sample.descriptors for sample in soaked.samples], color="#a8561f")
    descriptors.set_ylabel("descriptors")
    descriptors.set_ylim(bottom=0)
    descriptors.set_xlabel("minutes")
    for axes in (memory, descriptors):
        axes.axvspan(0, soaked.warm_up / 60, color="#eeeeee", zorder=0)
        axes.grid(visible=True, alpha=0.3)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
