"""Draws a scene through OpenGL (EGL; Mesa's software driver is enough): colour and exact metric depth.

Colour: sun with shadow maps, skylight from shadow-mapped directions, lamps, one return of light from the
surroundings (rendered at a lattice of points), reflections of a panorama, fog, an automatic exposure.
Depth: dot(point − eye, forward) at the pixel centre as a 32-bit float, so no z-buffer steps; inf is sky.
"""

from typing import Any, NamedTuple

import moderngl
import numpy as np
from numpy.typing import NDArray

from hyperfocal.errors import HyperfocalError
from hyperfocal.synth import shaders
from hyperfocal.synth.light import Vector
from hyperfocal.synth.scene import Matrix, Scene, View, instances
from hyperfocal.synth.shaders import DIRECTIONS, LAMPS

NEAR, FAR = 0.05, 4000.0  # metres
PANORAMA = 128, 256  # rows, columns
RETURNS = 1.8  # times the first return of light: about the sum of all that surfaces of albedo 0.45 send on


class Axes(NamedTuple):
    """A camera's position and directions in world coordinates."""

    eye: Vector
    forward: Vector
    right: Vector
    up: Vector


def camera_axes(view: View, shift: float = 0.0) -> Axes:
    """Return the axes of `view`, its eye moved to the right by `shift` metres."""
    cy, sy, cp, sp = np.cos(view.yaw), np.sin(view.yaw), np.cos(view.pitch), np.sin(view.pitch)
    forward = np.array([-sy * cp, cy * cp, sp])
    flat = np.array([cy, sy, 0.0])
    lift = np.cross(flat, forward)
    right = np.cos(view.roll) * flat + np.sin(view.roll) * lift
    return Axes(np.array(view.eye) + right * shift, forward, right, np.cross(right, forward))


def _look_at(axes: Axes) -> Matrix:
    m = np.eye(4)
    m[0, :3], m[1, :3], m[2, :3] = axes.right, axes.up, -axes.forward
    m[:3, 3] = -m[:3, :3] @ axes.eye
    return m


def _orthographic(towards_light: Vector, centre: Vector, radius: float, depth: float) -> Matrix:
    d = towards_light / np.linalg.norm(towards_light)
    right = np.cross(-d, [0, 0, 1.0] if abs(d[2]) < 0.95 else [1.0, 0, 0])
    right /= np.linalg.norm(right)
    m = np.diag([1 / radius, 1 / radius, -1 / depth, 1.0])
    m[2, 3] = -1
    return np.asarray(m @ _look_at(Axes(centre + d * depth, -d, right, np.cross(right, -d))))


def _perspective(fov: float, aspect: float, near: float, far: float) -> Matrix:
    t = 1 / np.tan(fov / 2)
    squeeze, shift = -(far + near) / (far - near), -2 * far * near / (far - near)
    return np.array([[t, 0, 0, 0], [0, t * aspect, 0, 0], [0, 0, squeeze, shift], [0, 0, -1, 0]])


def _camera(view: View, axes: Axes, width: int, height: int) -> Matrix:
    return np.asarray(_perspective(view.fov, width / height, NEAR, FAR) @ _look_at(axes))


def _bytes(*matrices: Matrix) -> bytes:
    return b"".join(np.ascontiguousarray(m.T, dtype="f4").tobytes() for m in matrices)


def _padded(rows: Matrix, count: int) -> bytes:
    """`rows` (n, k) as 32-bit floats with zero rows up to `count`, as a uniform array wants it."""
    return np.pad(rows, ((0, count - len(rows)), (0, 0))).astype("f4").tobytes()


def _context() -> Any:
    try:
        gl: Any = moderngl
        context = gl.create_standalone_context(backend="egl")
    except Exception as error:
        raise HyperfocalError(
            f"no OpenGL through EGL ({error}); "
            "on Debian or Ubuntu: apt install libegl1 libegl-mesa0 libgl1-mesa-dri"
        ) from error
    context.enable(moderngl.DEPTH_TEST)
    context.depth_func = "<="  # the colour pass draws over its own depth
    return context


class _Placed(NamedTuple):
    """A mesh with its instances: a vertex array for each program."""

    colour: Any
    shadow: Any
    depth: Any
    copies: int


class Renderer:
    """An OpenGL context holding one scene at a time. It can't cross a fork: make it where it is used.

    Raises:
        HyperfocalError: this machine has no OpenGL through EGL.
    """

    def __init__(self) -> None:
        self.gl = _context()
        self.colour_program = self.gl.program(
            vertex_shader=shaders.COLOUR_VERTEX, fragment_shader=shaders.COLOUR
        )
        self.shadow_program = self.gl.program(
            vertex_shader=shaders.SHADOW_VERTEX, fragment_shader=shaders.NOTHING
        )
        self.depth_program = self.gl.program(
            vertex_shader=shaders.DEPTH_VERTEX, fragment_shader=shaders.DEPTH
        )
        self.sky_program = self.gl.program(vertex_shader=shaders.SKY_VERTEX, fragment_shader=shaders.SKY)
        corner = self.gl.buffer(np.array([-1, -1, 3, -1, -1, 3], "f4").tobytes())
        self.sky_quad = self.gl.vertex_array(self.sky_program, [(corner, "2f", "p")])
        self.owned: list[Any] = []
        self.textures: Any = None
        self.texture_source: Any = None
        self.pending: tuple[int, int] | None = None

    def load(self, scene: Scene, sky_directions: int = 16, shadow_size: int = 2048) -> None:
        """Upload `scene`; the scene before it is freed. Its light is drawn with its first picture.

        Args:
            scene: what `depth` and `colour` will show.
            sky_directions: how many directions the skylight comes from, up to `shaders.DIRECTIONS`.
            shadow_size: side of the sun's shadow maps in pixels.
        """
        with self.gl:  # there may be another renderer's context
            for thing in self.owned:
                thing.release()
            self.owned = []
            self.scene = scene
            self._upload_textures()
            self.solid = self._upload(instances(scene.rows))
            self.shell = self._upload(instances(scene.shell))
        self.pending = sky_directions, shadow_size

    def depth(self, view: View, width: int, height: int, shift: float = 0.0) -> NDArray[np.float32]:
        """Return exact z-depth (height, width) in metres at the pixel centres; inf where nothing is hit.

        `shift` moves the eye to the right by that many metres (the right view of a stereo pair).
        """
        axes = camera_axes(view, shift)
        with self.gl:
            target = self._target(self.gl.texture((width, height), 1, dtype="f4"))
            target.clear(np.inf, 0, 0, 0, depth=1.0)
            self.depth_program["camera"].write(_bytes(_camera(view, axes, width, height)))
            self.depth_program["eye"], self.depth_program["forward"] = tuple(axes.eye), tuple(axes.forward)
            for placed in self.solid + self.shell:
                placed.depth.render(instances=placed.copies)
            rows = np.frombuffer(target.read(components=1, dtype="f4"), "f4").reshape(height, width)
            _free(target)
        return rows[::-1].copy()

    def colour(
        self,
        view: View,
        width: int,
        height: int,
        passes: int = 2,
        exposure: float = 1.0,
        shift: float = 0.0,
    ) -> NDArray[np.uint8]:
        """Return the picture (height, width, 3) uint8 sRGB.

        Args:
            view: the camera.
            width: pixels.
            height: pixels.
            passes: 1 to 8 drawings, each with its own offset within the pixel, are averaged.
            exposure: times the automatic exposure.
            shift: moves the eye to the right by that many metres.
        """
        with self.gl:
            self._light_up()
        total = np.zeros((height, width, 3), np.float32)
        for k in range(passes):
            with self.gl:
                # each pass takes its share of the sky, so that more passes don't cost more light
                sky = slice(k, None, passes)
                axes = camera_axes(view, shift)
                total += self._radiance(axes, view.fov, width, height, _offset(k, passes), sky)[..., :3]
        total /= passes
        brightness = np.exp(np.log(total.mean(2) + 1e-4).mean())
        highlight = float(np.quantile(total[::4, ::4].max(2), 0.95))
        key = self.scene.light.exposure
        total *= exposure * min(key / float(brightness), 12 * key / max(highlight, 1e-3))
        # Narkowicz's filmic fit
        curve = total * (2.51 * total + 0.03) / (total * (2.43 * total + 0.59) + 0.14)
        return np.asarray(np.clip(curve, 0, 1) ** (1 / 2.2) * 255 + 0.5, np.uint8)

    def _radiance(
        self,
        axes: Axes,
        fov: float,
        width: int,
        height: int,
        offset: tuple[float, float] = (0.0, 0.0),
        sky: slice = slice(None),
    ) -> NDArray[np.float32]:
        """Return linear light (height, width, 3) and what of it is surface, not sky (…, 1).

        The picture is moved by `offset` pixels; only the sky's directions in `sky` give light, as much as all.
        """
        camera = np.asarray(_perspective(fov, width / height, NEAR, FAR) @ _look_at(axes))
        camera = camera + np.outer([2 * offset[0] / width, 2 * offset[1] / height, 0, 0], camera[3])
        target = self._target(self.gl.texture((width, height), 4, dtype="f2"))
        target.clear(0, 0, 0, 1, depth=1.0)
        self.shadow_program["camera"].write(_bytes(camera))
        for placed in self.solid + self.shell:
            placed.shadow.render(instances=placed.copies)  # depth first, so that each pixel is shaded once
        self._set_light(axes.eye, camera, sky)
        for placed in self.solid + self.shell:
            placed.colour.render(instances=placed.copies)
        self._draw_sky(axes, np.tan(fov / 2), height / width)
        image = np.frombuffer(target.read(components=4, dtype="f2"), "f2").reshape(height, width, 4)[::-1]
        _free(target)
        return np.nan_to_num(image.astype(np.float32), posinf=60000.0)

    def _target(self, texture: Any) -> Any:
        target = self.gl.framebuffer(texture, self.gl.depth_renderbuffer(texture.size))
        target.use()
        return target

    def _upload_textures(self) -> None:
        layers = self.scene.palette.layers
        if self.texture_source is layers:
            return
        if self.textures is not None:
            self.textures.release()
        n, h, w, _ = layers.shape
        self.textures = self.gl.texture_array((w, h, n), 3, layers.tobytes(), alignment=1)
        self.texture_source = layers
        self.textures.build_mipmaps()
        # Never set anisotropy: llvmpipe then takes unbounded time on micro-triangles (3.05 s, not 0.16 s).
        self.textures.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)

    def _upload(self, rows: dict[str, NDArray[np.float32]]) -> list[_Placed]:
        out = []
        for name, table in rows.items():
            mesh = self.scene.meshes[name]
            corners = np.concatenate([mesh.positions, mesh.normals], 1)
            vertices = self.gl.buffer(corners.astype("f4").tobytes())
            faces = self.gl.buffer(mesh.faces.astype("i4").tobytes())
            where = self.gl.buffer(table.astype("f4").tobytes())
            bare = [(vertices, "3f 12x", "pos"), (where, "4f 4f 4f 36x/i", "m0", "m1", "m2")]
            full = [
                (vertices, "3f 3f", "pos", "nrm"),
                (where, "4f 4f 4f 4f 4f 1f/i", "m0", "m1", "m2", "look0", "look1", "look2"),
            ]
            placed = _Placed(
                self.gl.vertex_array(self.colour_program, full, faces),
                self.gl.vertex_array(self.shadow_program, bare, faces),
                self.gl.vertex_array(self.depth_program, bare, faces),
                len(table),
            )
            self.owned += [vertices, faces, where, placed.colour, placed.shadow, placed.depth]
            out.append(placed)
        return out

    def _light_up(self) -> None:
        """Draw the scene's shadow maps and surroundings, once: whoever wants depth only needs none."""
        if self.pending is not None:
            self._draw_lights(*self.pending)
            self._draw_surroundings()
            self.pending = None

    def _draw_lights(self, sky_directions: int, size: int) -> None:
        """Draw the shadow maps of sun (near and wide), sky and lamps."""
        light, centre, radius = self.scene.light, self.scene.centre, self.scene.radius
        everything = self.solid + self.shell
        self.sun_matrix = _orthographic(light.sun_direction, centre, radius * 0.4, radius * 3)
        self.wide_matrix = _orthographic(light.sun_direction, centre, radius * 2, radius * 4)
        self.sun_map = self._shadow_atlas([self.sun_matrix], size, 1, 1, everything)
        self.wide_map = self._shadow_atlas([self.wide_matrix], size, 1, 1, everything)
        k = np.arange(sky_directions) + 0.5
        z = k / sky_directions * 0.95 + 0.05
        turn = k * 2.399963  # golden angle: directions spread evenly over the dome
        flat = np.sqrt(1 - z * z)
        self.sky_directions = np.stack([flat * np.cos(turn), flat * np.sin(turn), z], 1)
        dome = light.horizon + (light.zenith - light.horizon) * z[:, None] ** 0.55
        dome = 0.65 * dome + 0.35 * dome.mean(1, keepdims=True)  # eyes and cameras get used to blue light
        # indoors the sky is seen through windows only: the lattice knows them
        self.sky_colours = dome * (0.0 if self.scene.indoor else 2 * np.pi / sky_directions)
        self.sky_matrices = [_orthographic(d, centre, radius, radius * 2.5) for d in self.sky_directions]
        self.sky_cells = int(np.ceil(np.sqrt(sky_directions)))
        # A room's walls and ceiling would hide every direction; without them, and with coarse maps, these say
        # how much a point sees of the room.
        casting = self.solid if self.scene.indoor else everything
        self.sky_map = self._shadow_atlas(
            self.sky_matrices,
            size // (10 if self.scene.indoor else 3),
            self.sky_cells,
            self.sky_cells,
            casting,
        )
        self.lamps = [np.array(p) for p in light.lamps[:LAMPS]]
        down = _perspective(np.radians(150), 1.0, 0.05, 30.0)
        axes = (np.array([0, 0, -1.0]), np.array([1.0, 0, 0]), np.array([0, 1.0, 0]))
        self.lamp_matrices = [down @ _look_at(Axes(p, *axes)) for p in self.lamps]
        lamp_size = 512 if self.lamps else 16
        self.lamp_map = self._shadow_atlas(self.lamp_matrices, lamp_size, LAMPS, 1, everything)

    def _shadow_atlas(
        self, matrices: list[Matrix], size: int, columns: int, rows: int, casting: list[_Placed]
    ) -> Any:
        """Draw one depth map of `size` pixels for each of `matrices`, row by row in one texture."""
        atlas = self.gl.depth_texture((size * columns, size * rows))
        target = self.gl.framebuffer(depth_attachment=atlas)
        target.use()
        target.clear(depth=1.0)
        for i, matrix in enumerate(matrices):
            target.viewport = ((i % columns) * size, (i // columns) * size, size, size)
            self.shadow_program["camera"].write(_bytes(matrix))
            for placed in casting:
                placed.shadow.render(instances=placed.copies)
        self.gl.finish()
        target.release()
        atlas.compare_func = "<="
        atlas.filter = (moderngl.LINEAR, moderngl.LINEAR)
        atlas.repeat_x = atlas.repeat_y = False
        self.owned.append(atlas)
        return atlas

    def _draw_surroundings(self) -> None:
        """Render what surrounds a lattice of points: the light it returns, and the panorama to be reflected."""
        scene = self.scene
        middle = np.mean([view.eye for view in scene.views], 0) if scene.views else scene.centre
        self.lattice = middle - 0.5, np.ones(3)
        self._set_surroundings(np.zeros((1, 1, 1, 3, 4)), np.zeros((*PANORAMA, 3)))
        if not scene.views:
            return
        directions, weights = _cube(8)
        returned = [self._returned(middle, directions, weights)]
        shape = (1, 1, 1)
        if scene.indoor:
            low, high = scene.box
            shape = (3, 3, 2)
            steps = [(np.arange(n) + 0.5) / n for n in shape]
            points = [
                low + (high - low) * p
                for p in np.stack(np.meshgrid(*steps, indexing="ij"), -1).reshape(-1, 3)
            ]
            self.lattice = low, high - low
            returned = [self._returned(p, directions, weights) for p in points]
        table = RETURNS * np.reshape(returned, (*shape, 3, 4))
        self._set_surroundings(table, np.zeros((*PANORAMA, 3)))
        self._set_surroundings(table, self._panorama(middle))

    def _faces(self, point: Vector, size: int) -> NDArray[np.float32]:
        """Radiance and surface (6, size, size, 4) as seen from `point` through the faces of a cube."""
        return np.stack([self._radiance(Axes(point, f, r, u), np.pi / 2, size, size) for f, r, u in CUBE])

    def _returned(self, point: Vector, directions: Matrix, weights: Matrix) -> Matrix:
        """First-order irradiance (3, 4) of (B, A) at `point`; outdoors without the sky, which shines itself."""
        light = self._faces(point, directions.shape[1])
        seen = np.minimum(light[..., :3], 50.0) * (1.0 if self.scene.indoor else light[..., 3:])
        mean = np.einsum("fyxc,fyx->c", seen, weights) / 4
        slope = np.einsum("fyxc,fyx,fyxd->cd", seen, weights, directions) / 2
        return np.column_stack([slope, mean])

    def _panorama(self, point: Vector) -> NDArray[np.float32]:
        """Radiance (rows, columns, 3) at `point`: azimuth from −π to π, elevation from −π/2 to π/2."""
        rows, columns = PANORAMA
        size = rows // 2
        faces = self._faces(point, size)
        up, turn = np.meshgrid(
            ((np.arange(rows) + 0.5) / rows - 0.5) * np.pi,
            ((np.arange(columns) + 0.5) / columns - 0.5) * 2 * np.pi,
            indexing="ij",
        )
        d = np.stack([np.cos(up) * np.sin(turn), np.cos(up) * np.cos(turn), np.sin(up)], -1)
        ahead = np.stack([d @ f for f, _, _ in CUBE])
        face = ahead.argmax(0)
        right, above = (np.einsum("yxd,yxd->yx", d, np.array([c[i] for c in CUBE])[face]) for i in (1, 2))
        scale = size / 2 / ahead.max(0)
        x, y = (np.clip(size / 2 + v * scale, 0, size - 1).astype(int) for v in (right, -above))
        return faces[face, y, x, :3]

    def _set_surroundings(self, returned: Matrix, panorama: NDArray[Any]) -> None:
        """Upload the lattice (x, y, z, 3, 4) and the `panorama`."""
        rows, columns, _ = panorama.shape
        self.around = self.gl.texture(
            (columns, rows), 3, panorama.astype("f2").tobytes(), dtype="f2", alignment=1
        )
        self.around.build_mipmaps()
        self.around.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        self.around.repeat_y = False
        channels = [np.ascontiguousarray(returned[..., i, :].transpose(2, 1, 0, 3), "f4") for i in range(3)]
        self.returned = [self.gl.texture3d(returned.shape[:3], 4, c.tobytes(), dtype="f4") for c in channels]
        for texture in self.returned:
            texture.repeat_x = texture.repeat_y = texture.repeat_z = False
            texture.filter = (moderngl.LINEAR, moderngl.LINEAR)
        self.owned += [self.around, *self.returned]

    def _set_light(self, eye: Vector, camera: Matrix, sky: slice) -> None:
        scene, light, program = self.scene, self.scene.light, self.colour_program
        samplers = {
            "textures": self.textures,
            "sun_map": self.sun_map,
            "wide_map": self.wide_map,
            "sky_map": self.sky_map,
            "lamp_map": self.lamp_map,
            "around": self.around,
            "returned_red": self.returned[0],
            "returned_green": self.returned[1],
            "returned_blue": self.returned[2],
        }
        for unit, (name, texture) in enumerate(samplers.items()):
            texture.use(unit)
            program[name] = unit
        numbered = np.column_stack([self.sky_directions, np.arange(len(self.sky_directions))])[sky]
        n, m = len(numbered), len(self.lamps)
        blank = [np.zeros((4, 4))]
        program["camera"].write(_bytes(camera))
        program["sun_matrix"].write(_bytes(self.sun_matrix))
        program["wide_matrix"].write(_bytes(self.wide_matrix))
        program["sky_matrix"].write(_bytes(*self.sky_matrices[sky], *blank * (DIRECTIONS - n)))
        program["sky_direction"].write(_padded(numbered, DIRECTIONS))  # w = cell of the atlas
        colours = self.sky_colours[sky] * (len(self.sky_directions) / max(n, 1))
        program["sky_colour"].write(_padded(colours, DIRECTIONS))
        program["lamp_matrix"].write(_bytes(*self.lamp_matrices, *blank * (LAMPS - m)))
        program["lamp_at"].write(_padded(np.reshape(self.lamps, (m, 3)), LAMPS))
        program["sky_count"], program["lamp_count"], program["sky_cells"] = n, m, float(self.sky_cells)
        program["eye"], program["fog"] = tuple(eye), light.fog
        program["sun_direction"], program["sun_colour"] = tuple(light.sun_direction), tuple(light.sun_colour)
        program["lamp_colour"], program["fog_colour"] = light.lamp_colour, tuple(light.horizon)
        program["lattice_low"], program["lattice_size"] = (tuple(v) for v in self.lattice)
        program["grain_layer"] = float(scene.palette.kinds["grain"][0])

    def _draw_sky(self, axes: Axes, tangent: float, aspect: float) -> None:
        light, program = self.scene.light, self.sky_program
        program["right"], program["up"], program["forward"] = (
            tuple(axes.right),
            tuple(axes.up),
            tuple(axes.forward),
        )
        program["sun_direction"], program["sun_colour"] = tuple(light.sun_direction), tuple(light.sun_colour)
        program["zenith"], program["horizon"] = tuple(light.zenith), tuple(light.horizon)
        program["tangent"] = (tangent, tangent * aspect)
        program["clouds"], program["seed"] = light.clouds, float(self.scene.centre[0] % 7)
        self.sky_quad.render(vertices=3)


CUBE: list[tuple[Vector, Vector, Vector]] = [  # forward, right, up
    (np.array(f, float), np.array(r, float), np.cross(np.array(r, float), np.array(f, float)))
    for f, r in (
        ((1, 0, 0), (0, -1, 0)),
        ((-1, 0, 0), (0, 1, 0)),
        ((0, 1, 0), (1, 0, 0)),
        ((0, -1, 0), (-1, 0, 0)),
        ((0, 0, 1), (1, 0, 0)),
        ((0, 0, -1), (1, 0, 0)),
    )
]


def _cube(size: int) -> tuple[Matrix, Matrix]:
    """Directions (6, size, size, 3) through the pixels of a cube's faces and their solid angles."""
    t = (np.arange(size) + 0.5) / size * 2 - 1
    y, x = np.meshgrid(-t, t, indexing="ij")
    rays = np.stack([f + x[..., None] * r + y[..., None] * u for f, r, u in CUBE])
    length = np.linalg.norm(rays, axis=-1, keepdims=True)
    return rays / length, (2 / size) ** 2 / length[..., 0] ** 3


def _offset(k: int, passes: int) -> tuple[float, float]:
    """Where in the pixel pass `k` looks: an (i/n, van der Corput) pattern; a single pass takes the centre."""
    if passes == 1:
        return 0.0, 0.0
    return (k + 0.5) / passes - 0.5, (int(f"{k:03b}"[::-1], 2) + 0.5) / 8 - 0.5


def _free(target: Any) -> None:
    for attachment in (*target.color_attachments, target.depth_attachment):
        attachment.release()
    target.release()
