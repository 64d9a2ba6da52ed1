"""`hyperfocal predict`: photos to depth maps in files."""

import glob
import json
import logging
import os
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from hyperfocal.errors import HyperfocalError
from hyperfocal.machine import keep_freed_memory, peak_rss_mb

if TYPE_CHECKING:
    from hyperfocal.depthmap import DepthMap
    from hyperfocal.external import ExternalBase
    from hyperfocal.predictor import Model
    from hyperfocal.tiles.tiling import Tiling

    Predictor = Model | ExternalBase

ENDINGS = {"npy": ".npy", "png": ".png", "tif": ".tif", "exr": ".exr", "color": "_color.png"}
PHOTOS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".avif", ".jp2", ".mpo")


class Job(NamedTuple):
    """A photo and the files to make of it, by format."""

    photo: Path
    files: dict[str, Path]


class Voice:
    """Says lines on standard error, and counts the errors.

    Attributes:
        quiet: say only errors.
        failed: how many errors it has said.
    """

    def __init__(self, quiet: bool) -> None:
        self.quiet, self.failed = quiet, 0

    def note(self, line: str) -> None:
        """Say something that need not be acted on."""
        if not self.quiet:
            typer.echo(line, err=True)

    def error(self, name: str | Path, reason: str) -> None:
        """Say why an input failed."""
        self.failed += 1
        typer.echo(reason if reason.startswith(f"{name}: ") else f"{name}: {reason}", err=True)


def predict(
    inputs: Annotated[
        list[str], typer.Argument(help="Images, folders of images, or globs.", metavar="INPUT...")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the files; made if missing.", file_okay=False)],
    model: Annotated[str, typer.Option(help="Bundled name, local directory or hub id.")] = "nano",
    base: Annotated[
        str | None,
        typer.Option(
            help="A depth model of the transformers library (hub id or directory): it makes the coarse map, "
            "--model sharpens it."
        ),
    ] = None,
    align: Annotated[
        bool, typer.Option("--align", help="Fit a --base of relative depth to --model's own coarse map.")
    ] = False,
    tiling: Annotated[
        str,
        typer.Option(
            help="auto, none (the coarse map enlarged), NxM (rows x columns), p16, p49, rN (p49 + N)."
        ),
    ] = "auto",
    formats: Annotated[
        str,
        typer.Option(
            help="Comma-separated: exr, npy, tif (metres), png (16-bit millimetres), color (a picture)."
        ),
    ] = "exr,color",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    fov: Annotated[
        float | None, typer.Option(help="Horizontal field of view in degrees, not EXIF's.")
    ] = None,
    focal_px: Annotated[float | None, typer.Option(help="Focal length in pixels, not EXIF's.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random tiles of rN.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Also do what is already there.")] = False,
    max_pixels: Annotated[int, typer.Option(min=1, help="Refuse larger images.")] = 500_000_000,
    tile_batch: Annotated[
        int | None, typer.Option(min=1, help="Tiles at once: more memory; faster on GPUs.")
    ] = None,
    feedback: Annotated[
        bool, typer.Option("--feedback", help="PatchFusion: later tiles of p49 and rN see the earlier ones.")
    ] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; all cores if not given.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object an image on standard output.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """Predict metric depth: photo.jpg becomes OUT/photo.exr and OUT/photo_color.png.

    Images whose files are all there already are skipped, so a stopped run can be run again. An image that fails
    is named with the reason, the others are done, and the exit status is 1.
    """
    from hyperfocal.tiles.tiling import Tiling

    wanted = _checked(tiling, formats, fov, focal_px)
    if align and base is None:
        raise typer.BadParameter("--align fits a --base: give one")
    voice = Voice(quiet)
    jobs = _plan(_photos(inputs, voice), out, wanted, overwrite, voice)
    if jobs:
        _make_folder(out)
        start = time.perf_counter()
        network = _load(model, base, align, device, dtype, threads, voice)
        load_seconds = time.perf_counter() - start
        how = Tiling(tiling, seed, tile_batch, feedback)
        reading = {"fov": fov, "focal_px": focal_px, "max_pixels": max_pixels}
        for record in _run(network, jobs, how, reading, voice):
            record["seconds"] = {"load": load_seconds, **record["seconds"]}
            if as_json:
                typer.echo(json.dumps(record))
    if voice.failed:
        raise typer.Exit(1)


# before any work: options, inputs, outputs


def _checked(tiling: str, formats: str, fov: float | None, focal_px: float | None) -> list[str]:
    """Return the formats; wrong usage (exit 2) if an option's value can't be."""
    from hyperfocal.camera import camera_from_focal_px, camera_from_fov
    from hyperfocal.tiles.plan import check_tiling

    wanted = list(dict.fromkeys(name.strip() for name in formats.split(",")))
    for name in wanted:
        if name not in ENDINGS:
            raise typer.BadParameter(f"--formats: {name!r} is none of {', '.join(ENDINGS)}")
    if fov is not None and focal_px is not None:
        raise typer.BadParameter("--fov and --focal-px say the same thing: give one of them")
    try:
        check_tiling(tiling)
        if fov is not None:
            camera_from_fov(1, 1, fov)
        if focal_px is not None:
            camera_from_focal_px(1, 1, focal_px)
    except HyperfocalError as error:
        raise typer.BadParameter(str(error)) from error
    return wanted


def _photos(inputs: Iterable[str], voice: Voice) -> list[Path]:
    """Return the files that the inputs stand for, each once; a name that is no folder or glob is itself."""
    found: dict[Path, Path] = {}
    for text in inputs:
        if os.path.isdir(text):  # noqa: PTH112 - unlike Path's, it takes any text for an answer
            photos = _pictures(Path(text).iterdir())
            nothing = "the folder has no images in it"
        elif glob.has_magic(text) and not os.path.exists(text):  # noqa: PTH110
            photos = _pictures(Path(name) for name in glob.glob(text, recursive=True))  # noqa: PTH207
            nothing = "matches no images"
        else:
            photos = [Path(text)]
        if not photos:
            voice.error(text, nothing)
        found |= {photo.absolute(): photo for photo in photos if photo.absolute() not in found}
    return list(found.values())


def _pictures(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if path.suffix.lower() in PHOTOS and path.is_file())


def _plan(photos: list[Path], out: Path, wanted: list[str], overwrite: bool, voice: Voice) -> list[Job]:
    """Return what is to be done; says what is there already, and what would overwrite something."""
    from hyperfocal.photo import require_file

    inputs = {photo.resolve() for photo in photos}
    ours: set[Path] = set()  # a folder of photos can also be the one that the pictures were written to
    makers: dict[Path, Path] = {}
    jobs = []
    for photo in photos:
        if photo.resolve() in ours:
            continue
        files = {name: out / f"{photo.stem}{ENDINGS[name]}" for name in wanted}
        clash = next((path for path in files.values() if path in makers), None)
        if clash is not None:
            voice.error(
                photo, f"{clash} is already made from {makers[clash]}; rename one or use another --out"
            )
            continue
        try:
            require_file(photo)
        except HyperfocalError as error:
            voice.error(photo, str(error))
            continue
        makers |= dict.fromkeys(files.values(), photo)
        made = {path.resolve() for path in files.values()}
        over = made & inputs
        if not overwrite and photo.resolve() not in made and all(path.exists() for path in files.values()):
            voice.note(f"{photo}: already there, skipped (--overwrite does it again)")
            ours |= made
        elif over:
            voice.error(photo, f"its depth would overwrite the input {over.pop()}; use another --out")
        else:
            jobs.append(Job(photo, files))
    return jobs


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HyperfocalError(f"{out}: the folder cannot be made: {error.strerror}") from error
    if not os.access(out, os.W_OK | os.X_OK):
        raise HyperfocalError(f"{out}: the folder cannot be written to")


def _load(
    model: str, base: str | None, align: bool, device: str, dtype: str, threads: int | None, voice: Voice
) -> "Predictor":
    keep_freed_memory()
    import torch

    from hyperfocal.loading import load

    if threads is not None:
        torch.set_num_threads(threads)
    handler = _Spoken(voice)
    log = logging.getLogger("hyperfocal")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        network = load(model, device=device, dtype=dtype)
        if base is None:
            return network
        from hyperfocal.external import ExternalBase

        return ExternalBase(base, network, align=align)
    except HyperfocalError as error:  # a model or device that isn't there is a wrong command
        typer.echo(f"hyperfocal: {error}", err=True)
        raise typer.Exit(2) from error
    finally:
        log.removeHandler(handler)


class _Spoken(logging.Handler):
    """What the library logs, said as notes."""

    def __init__(self, voice: Voice) -> None:
        super().__init__()
        self.voice = voice

    def emit(self, record: logging.LogRecord) -> None:
        self.voice.note(record.getMessage())


# the work


def _run(
    model: "Predictor", jobs: list[Job], tiling: "Tiling", reading: dict[str, Any], voice: Voice
) -> Iterator[dict[str, Any]]:
    """Do the jobs under a progress bar; yields the record of each that is done."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=voice.quiet or not console.is_terminal) as progress:
        photos = progress.add_task("photos", total=len(jobs), visible=len(jobs) > 1)
        tiles = progress.add_task("tiles", total=None, visible=len(jobs) == 1)
        tiling = replace(tiling, on_progress=lambda done, n: progress.update(tiles, completed=done, total=n))
        for job in jobs:
            with warnings.catch_warnings(record=True) as caught:
                try:
                    record = _one(model, job, tiling, reading, voice)
                except HyperfocalError as error:
                    voice.error(job.photo, str(error))
                except Exception as error:  # whatever breaks on one image, the others are done
                    voice.error(job.photo, f"{type(error).__name__}: {' '.join(str(error).split())}")
                else:
                    yield record
            for line in dict.fromkeys(str(warning.message) for warning in caught):
                voice.note(f"{job.photo}: {line}")
            progress.advance(photos)


def _one(
    model: "Predictor", job: Job, tiling: "Tiling", reading: dict[str, Any], voice: Voice
) -> dict[str, Any]:
    """Predict, write and describe one photo."""
    start = time.perf_counter()
    depth, report = model.predict_with_report(job.photo, tiling, **reading)
    written = time.perf_counter()
    for name, path in job.files.items():
        if name == "color":
            depth.save_picture(path)
        else:
            depth.save(path)
    end = time.perf_counter()
    height, width = depth.metres.shape
    for note in report.notes:
        voice.note(f"{job.photo}: {note}")
    source = depth.intrinsics_source
    voice.note(
        f"{job.photo}: {width}x{height}, {report.tiles} tiles, {end - start:.1f} s, intrinsics {source}"
        f"{' (28 mm equivalent; --fov or --focal-px gives the real ones)' if source == 'assumed' else ''}"
        f" -> {', '.join(map(str, job.files.values()))}"
    )
    return {
        "image": str(job.photo),
        "width": width,
        "height": height,
        "model": model.name,
        "tiling": report.tiling,
        "tiles": report.tiles,
        "seconds": {**report.seconds, "write": end - written, "total": end - start},
        "peak_rss_mb": peak_rss_mb(),
        "depth": _statistics(depth),
        "intrinsics_source": source,
        "files": [str(path) for path in job.files.values()],
    }


def _statistics(depth: "DepthMap") -> dict[str, float | None]:
    """Least, median and largest depth of the surfaces, in metres; None where all is sky."""
    import numpy as np

    surface = depth.metres[np.isfinite(depth.metres)]
    if surface.size == 0:
        return {"min": None, "median": None, "max": None}
    return {"min": float(surface.min()), "median": float(np.median(surface)), "max": float(surface.max())}
