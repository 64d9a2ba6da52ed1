"""The renderer's GLSL programs.

Depth is dot(point − eye, forward) at the pixel centre. Colour is sun with shadow maps, skylight from up to
`DIRECTIONS` shadow-mapped directions, up to `LAMPS` lamps, light that comes back from other surfaces, bumps,
reflections and fog; its alpha is 1 on a surface and 0 in the sky. The rows of an instance's matrix come as
m0, m1, m2.

Returned light is irradiance to first order, E(n) = A + B·n, on a lattice over the scene: `returned_red`,
`returned_green` and `returned_blue` hold (B, A). It is let through to the share of the shadow-mapped
directions that a point can see. Reflections look up `around`, the panorama at the middle of the scene.
"""

LAMPS, DIRECTIONS = 8, 24

_PLACE = """
in vec3 pos; in vec3 nrm; in vec4 m0; in vec4 m1; in vec4 m2;
mat3 turn() { return transpose(mat3(m0.xyz, m1.xyz, m2.xyz)); }
vec3 place() { return turn() * pos + vec3(m0.w, m1.w, m2.w); }
"""

COLOUR_VERTEX = (
    "#version 330\nuniform mat4 camera;"
    + _PLACE
    + """
in vec4 look0; in vec4 look1; in float look2;
out vec3 point; out vec3 normal; out vec3 local; out vec3 local_normal;
flat out vec4 tint_layer; flat out vec4 surface; flat out float glow;
void main() {
  mat3 m = turn();
  vec3 s = vec3(length(m[0]), length(m[1]), length(m[2]));
  point = place(); local = pos * s; local_normal = nrm / s; normal = m * (nrm / (s * s));
  tint_layer = look0; surface = look1; glow = look2;
  gl_Position = camera * vec4(point, 1.0);
}"""
)

SHADOW_VERTEX = (
    "#version 330\nuniform mat4 camera;"
    + _PLACE
    + "void main() { gl_Position = camera * vec4(place(), 1.0); }"
)
DEPTH_VERTEX = (
    "#version 330\nuniform mat4 camera; out vec3 point;"
    + _PLACE
    + "void main() { point = place(); gl_Position = camera * vec4(point, 1.0); }"
)
NOTHING = "#version 330\nvoid main() {}"
DEPTH = """#version 330
uniform vec3 eye, forward; in vec3 point; out float depth;
void main() { depth = dot(point - eye, forward); }"""

COLOUR = f"""#version 330
in vec3 point; in vec3 normal; in vec3 local; in vec3 local_normal;
flat in vec4 tint_layer; flat in vec4 surface; flat in float glow;
out vec4 colour;
uniform sampler2DArray textures; uniform sampler2DShadow sun_map, wide_map, sky_map, lamp_map;
uniform mat4 sun_matrix, wide_matrix, sky_matrix[{DIRECTIONS}], lamp_matrix[{LAMPS}];
uniform vec4 sky_direction[{DIRECTIONS}]; uniform vec3 sky_colour[{DIRECTIONS}], lamp_at[{LAMPS}];
uniform sampler2D around; uniform sampler3D returned_red, returned_green, returned_blue;
uniform int sky_count, lamp_count; uniform float sky_cells, grain_layer, fog;
uniform vec3 eye, sun_direction, sun_colour, lamp_colour, fog_colour, lattice_low, lattice_size;

float lit(sampler2DShadow map, vec3 q, float texel) {{
  float sum = 0.0;
  for (int i = 0; i < 2; i++) for (int j = 0; j < 2; j++) {{
    vec2 offset = (vec2(i, j) - 0.5) * texel;
    sum += texture(map, vec3(q.xy + offset, q.z));
  }}
  return sum / 4.0;
}}
void main() {{
  vec3 n = normalize(normal), v = normalize(eye - point);
  if (dot(n, v) < 0.0) n = -n;
  vec3 a = abs(local_normal);
  vec2 uv = a.z >= a.x && a.z >= a.y ? local.xy
    : a.x >= a.y ? vec2(local.y, -local.z) : vec2(local.x, -local.z);
  vec3 texel = texture(textures, vec3(uv * surface.x, tint_layer.w)).rgb;
  float mottle = texture(textures, vec3(uv * (surface.x * 9.0 + 1.0), grain_layer)).r - 0.5;
  float bright = texel.r;
  texel *= 1.0 + mottle * (surface.w > 0.0 ? 0.35 : 0.08);
  vec3 albedo = clamp(pow(texel, vec3(2.2)) * tint_layer.rgb, 0.0, 0.95);
  if (surface.w > 0.0) {{  // bumps from the texture's brightness (Mikkelsen's surface gradient)
    float h = dot(texel, vec3(0.333));
    vec3 px = dFdx(point), py = dFdy(point), r1 = cross(py, n), r2 = cross(n, px);
    float det = dot(px, r1);
    vec3 b = abs(det) * n - sign(det) * surface.w * (dFdx(h) * r1 + dFdy(h) * r2);
    if (dot(b, b) > 1e-20 && !any(isnan(b))) n = normalize(b);
  }}
  vec3 light = vec3(0.0); float open = 0.0, all_round = 0.001;
  for (int i = 0; i < sky_count; i++) {{
    float c = dot(n, sky_direction[i].xyz);
    if (c > 0.0) {{
      vec3 q = (sky_matrix[i] * vec4(point + n * 0.03, 1.0)).xyz * 0.5 + 0.5;
      bool inside = all(greaterThan(q.xy, vec2(0.003))) && all(lessThan(q.xy, vec2(0.997)));
      vec2 cell = vec2(mod(sky_direction[i].w, sky_cells), floor(sky_direction[i].w / sky_cells));
      vec3 at = vec3((q.xy + cell) / sky_cells, q.z - 0.0012);
      float seen = inside ? texture(sky_map, at) : 1.0;
      light += sky_colour[i] * c * seen; open += c * seen; all_round += c;
    }}
  }}
  open = mix(1.0, open / all_round, smoothstep(-0.6, 0.0, n.z));  // from below nothing is known
  vec3 cell_at = (point - lattice_low) / lattice_size;
  vec4 unit = vec4(n, 1.0);
  vec4 red = texture(returned_red, cell_at), green = texture(returned_green, cell_at);
  vec4 blue = texture(returned_blue, cell_at);
  vec3 mean = vec3(red.w, green.w, blue.w);
  light += max(vec3(dot(red, unit), dot(green, unit), dot(blue, unit)), 0.15 * mean) * mix(0.25, 1.0, open);
  float sun = max(dot(n, sun_direction), 0.0);
  if (sun > 0.0) {{
    vec3 q = (sun_matrix * vec4(point + n * 0.015, 1.0)).xyz * 0.5 + 0.5;
    if (all(greaterThan(q.xy, vec2(0.005))) && all(lessThan(q.xy, vec2(0.995)))) {{
      sun *= lit(sun_map, vec3(q.xy, q.z - 0.0006), 0.0004);
    }} else {{
      q = (wide_matrix * vec4(point + n * 0.1, 1.0)).xyz * 0.5 + 0.5;
      if (all(greaterThan(q.xy, vec2(0.0))) && all(lessThan(q.xy, vec2(1.0)))) {{
        sun *= lit(wide_map, vec3(q.xy, q.z - 0.001), 0.0005);
      }}
    }}
  }}
  light += sun_colour * sun;
  float gloss = pow(1.0 - surface.y, 2.0) * 200.0 + 4.0;
  vec3 f0 = mix(vec3(0.04), albedo, surface.z);
  vec3 shine = sun_colour * sun * f0
    * pow(max(dot(n, normalize(v + sun_direction)), 0.0), gloss) * (gloss + 8.0) / 25.0;
  for (int i = 0; i < lamp_count; i++) {{
    vec3 d = lamp_at[i] - point; float r = length(d); d /= r;
    float c = max(dot(n, d), 0.0) * smoothstep(0.05, 0.45, d.z);
    if (c > 0.0) {{
      vec4 q = lamp_matrix[i] * vec4(point + n * 0.01, 1.0);
      vec3 k = q.xyz / q.w * 0.5 + 0.5;
      vec2 at = (clamp(k.xy, 0.002, 0.998) + vec2(float(i), 0.0)) / vec2({LAMPS}.0, 1.0);
      float s = texture(lamp_map, vec3(at, k.z - 0.0008));
      vec3 e = lamp_colour * c * s / (r * r + 0.05);
      light += e;
      shine += e * f0 * pow(max(dot(n, normalize(v + d)), 0.0), gloss) * (gloss + 8.0) / 25.0;
    }}
  }}
  vec3 d = reflect(-v, n);
  vec2 at = vec2(atan(d.x, d.y) / 6.2831853 + 0.5, asin(clamp(d.z, -1.0, 1.0)) / 3.1415927 + 0.5);
  float smooth_part = 1.0 - surface.y;
  vec3 fresnel = f0 + max(vec3(smooth_part) - f0, 0.0) * pow(1.0 - max(dot(n, v), 0.0), 5.0);
  shine += textureLod(around, at, surface.y * 8.0).rgb * fresnel * smooth_part * mix(0.3, 1.0, open);
  vec3 seen = albedo * (1.0 - 0.7 * surface.z) * light / 3.14159 + shine;
  seen += albedo * glow * smoothstep(0.73, 0.87, bright);
  colour = vec4(mix(fog_colour, seen, exp(-length(eye - point) * fog)), 1.0);
}}"""

SKY_VERTEX = """#version 330
in vec2 p; out vec2 screen;
void main() { screen = p; gl_Position = vec4(p, 0.9999999, 1.0); }"""
SKY = """#version 330
in vec2 screen; out vec4 colour;
uniform vec3 right, up, forward, sun_direction, sun_colour, zenith, horizon;
uniform vec2 tangent; uniform float clouds, seed;
float hash(vec2 p) { return fract(sin(dot(p, vec2(127.1, 311.7)) + seed) * 43758.5453); }
float value(vec2 p) {
  vec2 i = floor(p), w = fract(p); w = w * w * (3.0 - 2.0 * w);
  float below = mix(hash(i), hash(i + vec2(1, 0)), w.x);
  float above = mix(hash(i + vec2(0, 1)), hash(i + vec2(1, 1)), w.x);
  return mix(below, above, w.y);
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
  colour = vec4(c, 0.0);
}"""
