"""`hyperfocal models`: every model with its size and cost, measured on the networks themselves."""

import functools
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import torch
    from torch import nn

    from hyperfocal.predictor import Model


def models(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names, patterns such as 'prv2-*', local directories, hub ids; all names if none."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array on standard output.")] = False,
) -> None:
    """List the models: parameters in millions, GFLOP (2 per multiply-add) at each one's own process size."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.progress import track
    from rich.table import Table

    from hyperfocal.loading import outline
    from hyperfocal.models import matching

    console = Console(stderr=True)
    wanted = matching(names or ["*"])
    rows = [
        describe(outline(name))
        for name in track(wanted, "measuring", console=console, transient=True, disable=as_json)
    ]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table("name", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), header_style="")
    for title in ("coarse\nM", "refiner\nM", "photo\nGFLOP", "tile\nGFLOP"):
        table.add_column(title, justify="right")
    table.add_column("licence")
    table.add_column("bundled")
    for row in rows:
        millions = (f"{row['params'][part] / 1e6:.1f}" for part in ("coarse", "refiner"))
        gflop = (f"{row['gflops'][part]:.0f}" for part in ("coarse", "per_tile"))
        table.add_row(row["name"], *millions, *gflop, row["licence"], "yes" if row["bundled"] else "")
    Console().print(table)
    console.print("Without weights here: `hyperfocal import`, or load(name, weights=None) for random ones.")


def describe(model: "Model") -> dict[str, Any]:
    """Return a model's row: parameters counted, FLOP measured at its own process sizes."""
    from hyperfocal.models import BUNDLED

    config = model.config
    coarse, refiner = parameters(model.coarse), parameters(model.refiner)
    coarse_gflop, tile_gflop = gflops(model)
    return {
        "name": model.name,
        "family": (config.refiner or config.coarse)["kind"],
        "base": config.coarse["kind"],
        "bundled": model.name in BUNDLED,
        "licence": config.licence,
        "params": {"coarse": coarse, "refiner": refiner, "total": coarse + refiner},
        "gflops": {"coarse": coarse_gflop, "per_tile": tile_gflop},
    }


def parameters(network: "nn.Module | None") -> int:
    """How many parameters a network has; 0 for none."""
    return 0 if network is None else sum(p.numel() for p in network.parameters())


def gflops(model: "Model") -> tuple[float, float]:
    """Return the GFLOP of all that is done once, and of the refiner for a tile, at the model's process sizes."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    config, refiner, size = model.config, model.refiner, model.config.tile_size
    coarse, depth_shape, shapes = _coarse_cost(json.dumps(config.coarse, sort_keys=True), config.coarse_size)
    if refiner is None:
        return coarse, 0.0
    with torch.no_grad(), model.device:
        with FlopCounterMode(display=False) as once:
            maps = refiner.whole([torch.zeros(shape) for shape in shapes])
        with FlopCounterMode(display=False) as tile:
            box = torch.tensor([[0, 0, *size]], device="cpu")
            crops = refiner.crops(torch.zeros(depth_shape), maps, box, size, size)
            refiner(torch.zeros(1, 3, *size), *crops)
    return coarse + once.get_total_flops() / 1e9, tile.get_total_flops() / 1e9


@functools.cache
def _coarse_cost(network: str, size: tuple[int, int]) -> tuple[float, "torch.Size", list["torch.Size"]]:
    """GFLOP of a coarse network at a size, and the shapes of its depth and maps. Many models share one."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from hyperfocal.coarse import make

    with torch.no_grad(), torch.device("meta"), FlopCounterMode(display=False) as count:
        depth, maps = make(json.loads(network)).eval().requires_grad_(False)(torch.zeros(1, 3, *size))
    return count.get_total_flops() / 1e9, depth.shape, [x.shape for x in maps]
