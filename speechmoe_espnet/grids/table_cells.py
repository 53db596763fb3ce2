"""Cells of a grid's tables that its page and its Markdown share."""

from speechmoe_espnet.grids.summary import Rate, Summary

COST_HEAD = (
    *("system", "parameters, active / total", "MFLOPs / s of audio", "steps", "training", "RTF"),
    *("train loss", "dev loss"),
)
"""Columns of `cost_rows`."""


def cost_rows(summary: Summary) -> list[list[str]]:
    """Return what each system costs, and its losses, in the columns of COST_HEAD."""
    return [
        [
            system.name,
            f"{system.params_active / 1e6:.2f} M / {system.params_total / 1e6:.2f} M",
            f"{system.flops / 1e6:.1f}",
            str(system.steps),
            f"{system.seconds_training / 60:.1f} min",
            f"{system.rtf:.4f} {system.rtf_measured_with}".rstrip(),
            *(
                "-" if loss is None else f"{loss:.2f}"
                for loss in (system.train_loss, system.dev_loss)
            ),
        ]
        for system in summary.systems.values()
    ]


def rate_words(rate: Rate) -> list[str]:
    """Return the mean of an error rate and, where there are several seeds, its deviation."""
    mean = f"{rate.mean:.2f}"
    return [mean] if rate.deviation is None else [mean, f"± {rate.deviation:.2f}"]
