"""Draws a scene on the CPU or GPU through OpenGL (EGL; Mesa's software driver is enough): colour and exact metric depth.

Colour: sun with shadow maps, skylight from N shadow-mapped directions, lamps, fog, an automatic exposure.
Depth: dot(point − eye, forward) at the pixel centre in a 32-bit float target, so no z-buffer quantisation; inf is sky.
"""

from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from hyperfocal.errors import HyperfocalError
from hyperfocal.synth.scene import Scene, View, instances

Matrix = NDArray[np.float64]
NEAR, FAR = 0.05, 4000.0
LAMPS, DIRECTIONS = 4, 24

_PLACE = """
in vec3 pos; in vec3 nrm; in vec4 m0; in vec4 m1; in vec4 m2;
mat3 turn() { return transpose(mat3(m0.xyz, m1.xyz, m2.xyz)); }
vec3 place() { return turn() * pos + vec3(m0.w, m1.w, m2.w); }
"""

_VERTEX = (
    "#version 330\nuniform mat4 camera;"
    + _PLACE
    + """
in vec4 look0; in vec4 look1;
out vec3 point; out vec3 normal; out vec3 local; out vec3 local_normal; flat out vec4 tint_layer; flat out vec4 surface;
void main() {
  mat3 m = turn();
  vec3 s = vec3(length(m[0]), length(m[1]), length(m[2]));
  point = place(); local = pos * s; local_normal = nrm / s; normal = m * (nrm / (s * s));
  tint_layer = look0; surface = look1;
  gl_Position = camera * vec4(point, 1.0);
}"""
)

_SHADOW_VERTEX = "#version 330\nuniform mat4 camera;" + _PLACE + "void main() { gl_Position = camera * vec4(place(), 1.0); }"
_DEPTH_VERTEX = (
    "#version 330\nuniform mat4 camera; out vec3 point;"
    + _PLACE
    + "void main() { point = place(); gl_Position = camera * vec4(point, 1.0); }"
)
_NOTHING = "#version 330\nvoid main() {}"
_DEPTH = """#version 330
uniform vec3 eye, forward; in vec3 point; out float depth;
void main() { depth = dot(point - eye, forward); }"""

_COLOUR = f"""#version 330
in vec3 point; in vec3 normal; in vec3 local; in vec3 local_normal; flat in vec4 tint_layer; flat in vec4 surface;
out vec4 colour;
uniform sampler2DArray textures; uniform sampler2DShadow sun_map, wide_map, sky_map, lamp_map;
uniform mat4 sun_matrix, wide_matrix, sky_matrix[{DIRECTIONS}], lamp_matrix[{LAMPS}];
uniform vec4 sky_direction[{DIRECTIONS}]; uniform vec3 sky_colour[{DIRECTIONS}], lamp_at[{LAMPS}];
uniform int sky_count, lamp_count; uniform float sky_cells;
uniform vec3 eye, sun_direction, sun_colour, lamp_colour, ambient, fog_colour; uniform float fog;

float lit(sampler2DShadow map, vec3 q, float texel) {{
  float sum = 0.0;
  for (int i = 0; i < 2; i++) for (int j = 0; j < 2; j++) sum += texture(map, vec3(q.xy + (vec2(i, j) - 0.5) * texel, q.z));
  return sum / 4.0;
}}
void main() {{
  vec3 n = normalize(normal), v = normalize(eye - point);
  if (dot(n, v) < 0.0) n = -n;
  vec3 a = abs(local_normal);
  vec2 uv = a.z >= a.x && a.z >= a.y ? local.xy : a.x >= a.y ? vec2(local.y, -local.z) : vec2(local.x, -local.z);
  vec3 texel = texture(textures, vec3(uv * surface.x, tint_layer.w)).rgb;
  vec3 albedo = clamp(pow(texel, vec3(2.2)) * tint_layer.rgb, 0.0, 0.95);
  if (surface.w > 0.0) {{  // bumps from the texture's brightness (Mikkelsen's surface gradient)
    float h = dot(texel, vec3(0.333));
    vec3 px = dFdx(point), py = dFdy(point), r1 = cross(py, n), r2 = cross(n, px);
    float det = dot(px, r1);
    vec3 b = abs(det) * n - sign(det) * surface.w * (dFdx(h) * r1 + dFdy(h) * r2);
    if (dot(b, b) > 1e-20 && !any(isnan(b))) n = normalize(b);
  }}
  vec3 light = ambient * (0.75 + 0.25 * n.z);
  for (int i = 0; i < sky_count; i++) {{
    float c = dot(n, sky_direction[i].xyz);
    if (c > 0.0) {{
      vec3 q = (sky_matrix[i] * vec4(point + n * 0.03, 1.0)).xyz * 0.5 + 0.5;
      bool inside = all(greaterThan(q.xy, vec2(0.003))) && all(lessThan(q.xy, vec2(0.997)));
      vec2 cell = vec2(mod(sky_direction[i].w, sky_cells), floor(sky_direction[i].w / sky_cells));
      light += sky_colour[i] * c * (inside ? texture(sky_map, vec3((q.xy + cell) / sky_cells, q.z - 0.0012)) : 1.0);
    }}
  }}
  float sun = max(dot(n, sun_direction), 0.0);
  if (sun > 0.0) {{
    vec3 q = (sun_matrix * vec4(point + n * 0.015, 1.0)).xyz * 0.5 + 0.5;
    if (all(greaterThan(q.xy, vec2(0.005))) && all(lessThan(q.xy, vec2(0.995)))) sun *= lit(sun_map, vec3(q.xy, q.z - 0.0006), 0.0004);
    else {{
      q = (wide_matrix * vec4(point + n * 0.1, 1.0)).xyz * 0.5 + 0.5;
      if (all(greaterThan(q.xy, vec2(0.0))) && all(lessThan(q.xy, vec2(1.0)))) sun *= lit(wide_map, vec3(q.xy, q.z - 0.001), 0.0005);
    }}
  }}
  light += sun_colour * sun;
  float gloss = pow(1.0 - surface.y, 2.0) * 200.0 + 4.0;
  vec3 f0 = mix(vec3(0.04), albedo, surface.z);
  vec3 shine = sun_colour * sun * f0 * pow(max(dot(n, normalize(v + sun_direction)), 0.0), gloss) * (gloss + 8.0) / 25.0;
  for (int i = 0; i < lamp_count; i++) {{
    vec3 d = lamp_at[i] - point; float r = length(d); d /= r;
    float c = max(dot(n, d), 0.0) * smoothstep(0.05, 0.45, d.z);
    if (c > 0.0) {{
      vec4 q = lamp_matrix[i] * vec4(point + n * 0.01, 1.0);
      vec3 k = q.xyz / q.w * 0.5 + 0.5;
      float s = texture(lamp_map, vec3((clamp(k.xy, 0.002, 0.998) + vec2(float(i), 0.0)) / vec2({LAMPS}.0, 1.0), k.z - 0.0008));
      vec3 e = lamp_colour * c * s / (r * r + 0.05);
      light += e;
      shine += e * f0 * pow(max(dot(n, normalize(v + d)), 0.0), gloss) * (gloss + 8.0) / 25.0;
    }}
  }}
  float rim = pow(1.0 - max(dot(n, v), 0.0), 5.0);
  shine += (f0 + (1.0 - f0) * rim * (1.0 - surface.y) * 0.6) * (1.0 - surface.y) * mix(ambient, fog_colour, smoothstep(-0.1, 0.4, reflect(-v, n).z)) * 0.6;
  colour = vec4(mix(fog_colour, albedo * (1.0 - 0.7 * surface.z) * light / 3.14159 + shine, exp(-length(eye - point) * fog)), 1.0);
}}"""

_SKY_VERTEX = "#version 330\nin vec2 p; out vec2 screen; void main() { screen = p; gl_Position = vec4(p, 0.9999999, 1.0); }"
_SKY = """#version 330
in vec2 screen; out vec4 colour;
uniform vec3 right, up, forward, sun_direction, sun_colour, zenith, horizon; uniform vec2 tangent; uniform float clouds, seed;
float hash(vec2 p) { return fract(sin(dot(p, vec2(127.1, 311.7)) + seed) * 43758.5453); }
float value(vec2 p) {
  vec2 i = floor(p), w = fract(p); w = w * w * (3.0 - 2.0 * w);
  return mix(mix(hash(i), hash(i + vec2(1, 0)), w.x), mix(hash(i + vec2(0, 1)), hash(i + vec2(1, 1)), w.x), w.y);
}
void main() {
  vec3 d = normalize(forward + right * screen.x * tangent.x + up * screen.y * tangent.y);
  vec3 c = mix(horizon, zenith, pow(max(d.z, 0.0), 0.55));
  float s = max(dot(d, sun_direction), 0.0);
  c += sun_colour * (0.012 * pow(s, 8.0) + 0.05 * pow(s, 200.0) + 4.0 * smoothstep(0.9997, 0.9999, s));
  if (d.z > 0.01) {
    vec2 p = d.xy / (d.z + 0.12) * 1.2; float a = 0.0, w = 0.5;
    for (int i = 0; i < 6; i++) { a += w * value(p); p = p * 2.03 + 17.0; w *= 0.5; }
    float m = smoothstep(0.75 - 0.5 * clouds, 1.1 - 0.5 * clouds, a) * smoothstep(0.01, 0.2, d.z);
    c = mix(c, vec3(dot(horizon, vec3(0.333))) * (0.7 + a) + sun_colour * 0.03, m * 0.85);
  }
  colour = vec4(c, 1.0);
}"""


def _look_at(eye: Matrix, forward: Matrix, right: Matrix, up: Matrix) -> Matrix:
    m = np.eye(4)
    m[0, :3], m[1, :3], m[2, :3] = right, up, -forward
    m[:3, 3] = -m[:3, :3] @ eye
    return m


def _orthographic(towards_light: Matrix, centre: Matrix, radius: float, depth: float) -> Matrix:
    d = towards_light / np.linalg.norm(towards_light)
    right = np.cross(-d, [0, 0, 1.0] if abs(d[2]) < 0.95 else [1.0, 0, 0])
    right /= np.linalg.norm(right)
    m = np.diag([1 / radius, 1 / radius, -1 / depth, 1.0])
    m[2, 3] = -1
    return np.asarray(m @ _look_at(centre + d * depth, -d, right, np.cross(right, -d)))


def _perspective(fov: float, aspect: float, near: float, far: float) -> Matrix:
    t = 1 / np.tan(fov / 2)
    return np.array(
        [[t, 0, 0, 0], [0, t * aspect, 0, 0], [0, 0, -(far + near) / (far - near), -2 * far * near / (far - near)], [0, 0, -1, 0]]
    )


def _bytes(*matrices: Matrix) -> bytes:
    return b"".join(np.ascontiguousarray(m.T, dtype="f4").tobytes() for m in matrices)


def camera_axes(view: View) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    """Return (eye, forward, right, up) of a view in world coordinates."""
    cy, sy, cp, sp = np.cos(view.yaw), np.sin(view.yaw), np.cos(view.pitch), np.sin(view.pitch)
    forward = np.array([-sy * cp, cy * cp, sp])
    flat = np.array([cy, sy, 0.0])
    lift = np.cross(flat, forward)
    right = np.cos(view.roll) * flat + np.sin(view.roll) * lift
    return np.array(view.eye), forward, right, np.cross(right, forward)


class Renderer:
    """An OpenGL context holding one scene at a time."""

    def __init__(self) -> None:
        try:
            self.gl: Any = moderngl.create_standalone_context(backend="egl")
        except Exception as error:
            raise HyperfocalError(
                f"no OpenGL through EGL ({error}); on Debian or Ubuntu: apt install libegl1 libegl-mesa0 libgl1-mesa-dri"
            ) from error
        self.colour_program = self.gl.program(vertex_shader=_VERTEX, fragment_shader=_COLOUR)
        self.shadow_program = self.gl.program(vertex_shader=_SHADOW_VERTEX, fragment_shader=_NOTHING)
        self.depth_program = self.gl.program(vertex_shader=_DEPTH_VERTEX, fragment_shader=_DEPTH)
        self.sky_program = self.gl.program(vertex_shader=_SKY_VERTEX, fragment_shader=_SKY)
        corner = self.gl.buffer(np.array([-1, -1, 3, -1, -1, 3], "f4").tobytes())
        self.sky_quad = self.gl.vertex_array(self.sky_program, [(corner, "2f", "p")])
        self.owned: list[Any] = []
        self.textures: Any = None
        self.texture_source: Any = None

    def load(self, scene: Scene, sky_directions: int = 16, shadow_size: int = 2048) -> None:
        """Upload `scene` and draw its shadow maps; the scene before it is freed."""
        for thing in self.owned:
            thing.release()
        self.owned = []
        self.scene = scene
        self._upload_textures()
        self.solid = self._upload(instances(scene.rows), scene)
        self.shell = self._upload(instances(scene.shell), scene)
        self._draw_lights(sky_directions, shadow_size)

    def _upload_textures(self) -> None:
        layers = self.scene.palette.layers
        if self.texture_source is layers:
            return
        if self.textures is not None:
            self.textures.release()
        n, h, w, _ = layers.shape
        self.textures, self.texture_source = self.gl.texture_array((w, h, n), 3, layers.tobytes(), alignment=1), layers
        self.textures.build_mipmaps()
        self.textures.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)

    def _upload(self, rows: dict[str, NDArray[np.float32]], scene: Scene) -> list[tuple[Any, Any, Any, int]]:
        out = []
        for name, table in rows.items():
            mesh = scene.meshes[name]
            vertices = self.gl.buffer(np.concatenate([mesh.positions, mesh.normals], 1).astype("f4").tobytes())
            faces = self.gl.buffer(mesh.faces.astype("i4").tobytes())
            placed = self.gl.buffer(table.astype("f4").tobytes())
            position = (vertices, "3f 12x", "pos")
            where = (placed, "4f 4f 4f 32x/i", "m0", "m1", "m2")
            every = [(vertices, "3f 3f", "pos", "nrm"), (placed, "4f 4f 4f 4f 4f/i", "m0", "m1", "m2", "look0", "look1")]
            colour = self.gl.vertex_array(self.colour_program, every, faces)
            shadow = self.gl.vertex_array(self.shadow_program, [position, where], faces)
            depth = self.gl.vertex_array(self.depth_program, [position, where], faces)
            self.owned += [vertices, faces, placed, colour, shadow, depth]
            out.append((colour, shadow, depth, len(table)))
        return out

    def _shadow_atlas(self, matrices: list[Matrix], size: int, columns: int, rows: int, with_shell: bool) -> Any:
        atlas = self.gl.depth_texture((size * columns, size * rows))
        target = self.gl.framebuffer(depth_attachment=atlas)
        target.use()
        target.clear(depth=1.0)
        self.gl.enable(moderngl.DEPTH_TEST)
        for i, matrix in enumerate(matrices):
            target.viewport = ((i % columns) * size, (i // columns) * size, size, size)
            self.shadow_program["camera"].write(_bytes(matrix))
            for _, shadow, _, count in self.solid + (self.shell if with_shell else []):
                shadow.render(instances=count)
        self.gl.finish()
        target.release()
        atlas.compare_func = "<="
        atlas.filter = (moderngl.LINEAR, moderngl.LINEAR)
        atlas.repeat_x = atlas.repeat_y = False
        self.owned.append(atlas)
        return atlas

    def _draw_lights(self, sky_directions: int, size: int) -> None:
        scene, light = self.scene, self.scene.light
        centre, radius = scene.centre, scene.radius
        self.sun_matrix = _orthographic(light.sun_direction, centre, radius * 0.4, radius * 3)
        self.wide_matrix = _orthographic(light.sun_direction, centre, radius * 2, radius * 4)
        self.sun_map = self._shadow_atlas([self.sun_matrix], size, 1, 1, True)
        self.wide_map = self._shadow_atlas([self.wide_matrix], size, 1, 1, True)
        k = np.arange(sky_directions) + 0.5
        z = k / sky_directions * 0.95 + 0.05
        turn = k * 2.399963  # golden angle: directions spread evenly over the dome
        self.sky_directions = np.stack([np.sqrt(1 - z * z) * np.cos(turn), np.sqrt(1 - z * z) * np.sin(turn), z], 1)
        dome = light.horizon + (light.zenith - light.horizon) * z[:, None] ** 0.55
        self.sky_colours = dome * (2 * np.pi / sky_directions)
        self.sky_matrices = [_orthographic(d, centre, radius, radius * 2.5) for d in self.sky_directions]
        self.sky_cells = int(np.ceil(np.sqrt(sky_directions)))
        # A room's walls and ceiling would keep all skylight out; without them it shapes the furniture softly.
        self.sky_map = self._shadow_atlas(self.sky_matrices, size // 3, self.sky_cells, self.sky_cells, not scene.indoor)
        self.lamps = [np.array(p) for p in light.lamps[:LAMPS]]
        down = _perspective(np.radians(150), 1.0, 0.05, 30.0)
        axes = (np.array([0, 0, -1.0]), np.array([1.0, 0, 0]), np.array([0, 1.0, 0]))
        self.lamp_matrices = [down @ _look_at(p, *axes) for p in self.lamps]
        self.lamp_map = self._shadow_atlas(self.lamp_matrices, size // 2 if self.lamps else 16, LAMPS, 1, True)

    def _camera(self, view: View, width: int, height: int, shift: float) -> tuple[Matrix, Matrix, Matrix, Matrix, Matrix]:
        eye, forward, right, up = camera_axes(view)
        eye = eye + right * shift
        projection = _perspective(view.fov, width / height, NEAR, FAR)
        return eye, forward, right, up, projection @ _look_at(eye, forward, right, up)

    def depth(self, view: View, width: int, height: int, shift: float = 0.0) -> NDArray[np.float32]:
        """Return exact z-depth (height, width) in metres at the pixel centres; inf where nothing is hit.

        `shift` moves the eye to the right by that many metres (the right view of a stereo pair).
        """
        eye, forward, _, _, camera = self._camera(view, width, height, shift)
        target = self.gl.framebuffer(
            self.gl.texture((width, height), 1, dtype="f4"), self.gl.depth_renderbuffer((width, height))
        )
        target.use()
        target.clear(np.inf, 0, 0, 0, depth=1.0)
        self.gl.enable(moderngl.DEPTH_TEST)
        self.depth_program["camera"].write(_bytes(camera))
        self.depth_program["eye"], self.depth_program["forward"] = tuple(eye), tuple(forward)
        for _, _, depth, count in self.solid + self.shell:
            depth.render(instances=count)
        out = np.frombuffer(target.read(components=1, dtype="f4"), "f4").reshape(height, width)[::-1].copy()
        self._free(target)
        return out

    def colour(self, view: View, width: int, height: int, passes: int = 2, exposure: float = 1.0, shift: float = 0.0) -> NDArray[np.uint8]:
        """Return the picture (height, width, 3) uint8 sRGB; each of `passes` has its own sub-pixel offset."""
        total = np.zeros((height, width, 3), np.float32)
        for k in range(passes):
            total += self._radiance(view, width, height, k, passes, shift)
        total /= passes
        brightness = np.exp(np.log(total.mean(2) + 1e-3).mean())
        total *= 0.2 * exposure / max(float(brightness), 1e-3)
        curve = total * (2.51 * total + 0.03) / (total * (2.43 * total + 0.59) + 0.14)  # Narkowicz's filmic fit
        return np.asarray(np.clip(curve, 0, 1) ** (1 / 2.2) * 255 + 0.5, np.uint8)

    def _radiance(self, view: View, width: int, height: int, k: int, passes: int, shift: float) -> NDArray[np.float32]:
        scene, light = self.scene, self.scene.light
        eye, forward, right, up, camera = self._camera(view, width, height, shift)
        if passes > 1:  # an (i/n, van der Corput) pattern within the pixel
            x, y = (k + 0.5) / passes - 0.5, (int(f"{k:03b}"[::-1], 2) + 0.5) / 8 - 0.5
            camera = camera + np.outer([2 * x / width, 2 * y / height, 0, 0], camera[3])
        target = self.gl.framebuffer(
            self.gl.texture((width, height), 4, dtype="f2"), self.gl.depth_renderbuffer((width, height))
        )
        target.use()
        target.clear(0, 0, 0, 1, depth=1.0)
        self.gl.enable(moderngl.DEPTH_TEST)
        self.gl.depth_func = "<="
        self.shadow_program["camera"].write(_bytes(camera))
        for _, shadow, _, count in self.solid + self.shell:
            shadow.render(instances=count)  # depth first, so that each pixel is shaded once
        self._set_light(eye, camera)
        for colour, _, _, count in self.solid + self.shell:
            colour.render(instances=count)
        tangent = np.tan(view.fov / 2)
        sky = {
            "right": right, "up": up, "forward": forward, "sun_direction": light.sun_direction, "sun_colour": light.sun_colour,
            "zenith": light.zenith, "horizon": light.horizon, "tangent": (tangent, tangent * height / width),
        }  # fmt: skip
        for name, value in sky.items():
            self.sky_program[name] = tuple(float(v) for v in value)
        self.sky_program["clouds"], self.sky_program["seed"] = light.clouds, float(scene.centre[0] % 7)
        self.sky_quad.render(vertices=3)
        image = np.frombuffer(target.read(components=3, dtype="f2"), "f2").reshape(height, width, 3)[::-1]
        self._free(target)
        return np.nan_to_num(image.astype(np.float32), posinf=60000.0)

    def _set_light(self, eye: Matrix, camera: Matrix) -> None:
        scene, light, program = self.scene, self.scene.light, self.colour_program
        for unit, (name, texture) in enumerate(
            {"textures": self.textures, "sun_map": self.sun_map, "wide_map": self.wide_map, "sky_map": self.sky_map, "lamp_map": self.lamp_map}.items()
        ):
            texture.use(unit)
            program[name] = unit
        n, m = len(self.sky_matrices), len(self.lamps)
        blank = [np.zeros((4, 4))]
        program["camera"].write(_bytes(camera))
        program["sun_matrix"].write(_bytes(self.sun_matrix))
        program["wide_matrix"].write(_bytes(self.wide_matrix))
        program["sky_matrix"].write(_bytes(*self.sky_matrices, *blank * (DIRECTIONS - n)))
        directions = np.concatenate([self.sky_directions, np.arange(n)[:, None]], 1)
        program["sky_direction"].write(np.pad(directions, ((0, DIRECTIONS - n), (0, 0))).astype("f4").tobytes())
        program["sky_colour"].write(np.pad(self.sky_colours, ((0, DIRECTIONS - n), (0, 0))).astype("f4").tobytes())
        program["lamp_matrix"].write(_bytes(*self.lamp_matrices, *blank * (LAMPS - m)))
        program["lamp_at"].write(np.pad(np.reshape(self.lamps, (m, 3)), ((0, LAMPS - m), (0, 0))).astype("f4").tobytes())
        program["sky_count"], program["lamp_count"], program["sky_cells"] = n, m, float(self.sky_cells)
        program["eye"], program["fog"] = tuple(eye), light.fog
        program["sun_direction"], program["sun_colour"] = tuple(light.sun_direction), tuple(light.sun_colour)
        program["lamp_colour"], program["fog_colour"] = light.lamp_colour, tuple(light.horizon)
        program["ambient"] = tuple(0.25 * (light.zenith + light.horizon) * (1.2 if scene.indoor else 0.6))

    @staticmethod
    def _free(target: Any) -> None:
        for attachment in (*target.color_attachments, target.depth_attachment):
            attachment.release()
        target.release()
