"""`hyperfocal predict`: photos to depth maps in files."""

from __future__ import annotations

import glob
import json
import logging
import os
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from hyperfocal.cli.memory import keep_freed_memory, peak_rss_mb
from hyperfocal.errors import HyperfocalError

if TYPE_CHECKING:
    import numpy as np
    from rich.progress import Progress

    from hyperfocal.depthmap import DepthMap
    from hyperfocal.predictor import Model, Report

ENDINGS = {"npy": ".npy", "png": ".png", "tif": ".tif", "exr": ".exr", "color": "_color.png"}
PHOTOS = {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".avif", ".jp2"}


class Job(NamedTuple):
    """A photo and the files to make of it, by format."""

    photo: Path
    files: dict[str, Path]


def predict(
    inputs: Annotated[list[str], typer.Argument(help="Images, folders of images, or globs.", metavar="INPUT...")],
    out: Annotated[Path, typer.Option(help="Folder for the files; made if it isn't there.", file_okay=False)],
    model: Annotated[str, typer.Option(help="Bundled name, local directory or hub id.")] = "nano",
    tiling: Annotated[
        str, typer.Option(help="auto, none (the coarse map enlarged), NxM (rows x columns), p16, p49 or rN.")
    ] = "auto",
    formats: Annotated[
        str,
        typer.Option(
            help="Separated by commas: npy and exr and tif in metres, png in millimetres (16 bit), color: a picture."
        ),
    ] = "exr,color",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    fov: Annotated[float | None, typer.Option(help="Horizontal field of view, degrees. Default: EXIF.")] = None,
    focal_px: Annotated[float | None, typer.Option(help="Focal length in pixels. Default: EXIF.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random tiles of rN.")] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Predict again where all the files are there.")
    ] = False,
    max_pixels: Annotated[int, typer.Option(min=1, help="Refuse larger images.")] = 500_000_000,
    tile_batch: Annotated[
        int | None, typer.Option(min=1, help="Tiles at once: memory for speed on a GPU.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Of the CPU. Default: all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object an image on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """Predict metric depth: from INPUT.jpg, OUT/INPUT.exr and OUT/INPUT_color.png.

    Images whose files are all there are skipped, so a run that was stopped can be run again. Every image that
    fails is named with the reason, and the others are done; the exit status is then 1.
    """
    wanted = _checked(formats, tiling, fov, focal_px)
    talk = _Talk(quiet)
    jobs = _jobs(_photos(inputs, talk), out, wanted, overwrite, talk)
    if jobs:
        _make_folder(out)
        keep_freed_memory()  # before torch takes any
        start = time.perf_counter()
        network = _load(model, device, dtype, threads, talk)
        loading = time.perf_counter() - start
    options = {
        "tiling": tiling, "fov": fov, "focal_px": focal_px, "seed": seed, "tile_batch": tile_batch,
        "max_pixels": max_pixels,
    }  # fmt: skip
    with _progress(quiet) as progress:
        photos = progress.add_task("photos", total=len(jobs), visible=len(jobs) > 1)
        tiles = progress.add_task("tiles", total=None, visible=len(jobs) == 1)
        for job in jobs:
            try:
                with _warnings_said(job.photo, talk):
                    record = _one(network, job, options, lambda done, n: progress.update(tiles, completed=done, total=n), talk)
            except HyperfocalError as error:
                talk.error(job.photo, str(error))
            except Exception as error:  # whatever one image breaks, the others are done
                talk.error(job.photo, f"{type(error).__name__}: {' '.join(str(error).split())}")
            else:
                if as_json:
                    record["seconds"]["load"] = loading
                    typer.echo(json.dumps(record))
            progress.advance(photos)
    if talk.failed:
        raise typer.Exit(1)
