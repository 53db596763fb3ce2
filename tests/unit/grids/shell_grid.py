"""A small grid, and a workplace whose runs are lines of shell in place of the recipe."""

from speechmoe_espnet.grids.grid import Grid
from speechmoe_espnet.grids.workplace import Workplace


def make_grid(folder, systems, seeds=(0,)):
    (folder / "train.yaml").write_text("encoder: speechmoe\n")
    (folder / "decode_ctc_greedy.yaml").write_text("method: ctc_greedy\n")
    return Grid(
        name="grid",
        recipe=folder,
        description="",
        base=folder / "train.yaml",
        systems=systems,
        seeds=seeds,
        sets=["read"],
        decode_config=folder / "decode_ctc_greedy.yaml",
    )


class ShellWorkplace(Workplace):
    """Runs shell lines in place of the recipe; {} is the experiment's name."""

    def __init__(self, grid, *lines, preparation="true"):
        super().__init__(grid)
        self.lines, self.prepare = lines, preparation
        self.directory.mkdir(parents=True)

    def preparation(self, jobs, ngpu):
        return [["sh", "-c", self.prepare]]

    def commands(self, run, ngpu):
        return [["sh", "-c", line.replace("{}", run.experiment)] for line in self.lines]
