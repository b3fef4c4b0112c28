"""One portrait photograph, animated: it turns, nods and opens its mouth.

For the demonstration and the tests, which need live frames of a person who is not there, made from
photographs in the public domain. The head is a smooth relief over the photograph; every frame is that relief
seen by a camera after a rotation (rays marched until they meet the surface), after the mouth was opened by a
smooth displacement, and lit by a coloured screen in front of it. Such a puppet is also an attack: what it passes,
an attacker passes.
"""

from collections.abc import Callable, Sequence
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from kyc.engine import load_engine

Rgb = npt.NDArray[np.uint8]
Grid = npt.NDArray[np.float32]

WIDTH, HEIGHT = 640, 480
_POSES: dict[str, Callable[[float], dict[str, float]]] = {
    "look-straight": lambda progress: {},
    "turn-left": lambda progress: {"turn": progress},
    "turn-right": lambda progress: {"turn": -progress},
    "open-mouth": lambda progress: {"mouth": progress},
    "nod": lambda progress: {"nod": progress},
    "watch-colours": lambda progress: {},
}
TURN_DEGREES = 26.0
NOD_DEGREES = 19.0
_CAMERA_DISTANCE = 2.2  # in frame widths
_GRID = 4  # rays are marched on every fourth pixel and interpolated between
_STEPS = 56
SCREEN_LIGHT = 0.35  # what a white screen at arm's length adds to the light of a room
_ROOM_LIGHT = 0.06  # the part of it that reaches what is behind the head
_GAMMA = 2.2


def astronaut() -> Rgb:
    """Eileen Collins, NASA portrait (public domain), RGB (512, 512, 3)."""
    from skimage import data  # noqa: PLC0415 - a development dependency

    return np.asarray(data.astronaut(), dtype=np.uint8)  # type: ignore[no-untyped-call]


def grace_hopper() -> Rgb:
    """Grace Hopper, US Navy portrait (public domain), RGB (600, 512, 3)."""
    from matplotlib import cbook  # noqa: PLC0415 - a development dependency

    file = cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    data = np.fromfile(str(file), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise ValueError("the sample photograph cannot be read")
    return np.asarray(picture, dtype=np.uint8)


def jpeg(image: Rgb, quality: int = 92) -> bytes:
    """An RGB picture as a JPEG file."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError("the picture cannot be written as JPEG")
    return bytes(data)


class Puppet:
    """A portrait that moves, seen by a 640 x 480 camera."""

    def __init__(self, portrait: Rgb, *, face_width: int = 190, depth: float = 1.0, bend: float = 0.0) -> None:
        """`portrait` holds exactly one face; `face_width` is its width in the frames, in pixels.

        `depth` scales the relief; at 0 the puppet is a flat photograph in somebody's hand, which `bend` curves about
        an upright axis (1: by 45 degrees at the sides of the face).
        """
        self._still = _framed(portrait, face_width)
        engine = load_engine()
        p = engine.landmarks(self._still, engine.detect(self._still)[0]).astype(np.float32)
        self._points = p
        self._centre = np.array([(p[0, 0] + p[16, 0]) / 2, (p[27, 1] + p[8, 1]) / 2], np.float32)
        head = _relief(self._points, self._centre)
        self._relief = np.asarray(depth * head - bend * _bow(self._points, self._centre), dtype=np.float32)
        self._lit = _facing(self._relief)
        if depth:
            self._lit *= _ROOM_LIGHT + (1 - _ROOM_LIGHT) * _ease(head / (0.2 * head.max()))
        self._poses: dict[tuple[float, float, float], Rgb] = {}  # every performance passes the same few

    def frame(self, turn: float = 0.0, mouth: float = 0.0, nod: float = 0.0) -> Rgb:
        """RGB (480, 640, 3).

        `turn` from -1 (to the person's own right) to +1 (own left, which is the right of the picture), `nod`
        from 0 to 1 (chin down), `mouth` from 0 (as photographed) to 1 (wide open).
        """
        pose = (turn, mouth, nod)
        if pose not in self._poses:
            picture = self._opened(mouth) if mouth > 0 else self._still
            if turn or nod:
                picture = self._rotated(picture, np.radians(turn * TURN_DEGREES), np.radians(nod * NOD_DEGREES))
            self._poses[pose] = picture
        return self._poses[pose].copy()

    def lit(self, picture: Rgb, colour: str, strength: float = SCREEN_LIGHT) -> Rgb:
        """The picture of the puppet looking straight, lit by a screen of this colour ("#rrggbb") as well.

        The light falls on what faces the screen, in proportion to what is seen there without it.
        """
        primaries = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)], dtype=np.float32)
        gain = 1 + strength * self._lit[..., None] * primaries
        return _rgb_of(picture * gain ** np.float32(1 / _GAMMA))

    def perform(
        self,
        actions: Sequence[str],
        *,
        frames_per_action: int = 4,
        interval_ms: int = 200,
        colours: Sequence[str] = (),
    ) -> list[tuple[int, int, bytes]]:
        """Live frames that answer a challenge: (action index, milliseconds, JPEG), in order.

        The actions are those of `kyc.liveness.Action`; watching colours gives one frame for each of `colours`. Every
        frame has sensor noise of its own.
        """
        frames: list[tuple[int, int, bytes]] = []
        for index, action in enumerate(actions):
            watching = action == "watch-colours"
            count = len(colours) if watching else frames_per_action
            for step in range(count):
                # Done after two thirds of the frames, and held.
                progress = min(1.0, 1.5 * (step + 0.1) / max(count - 0.9, 1))
                picture = self.frame(**_POSES[action](progress))
                if watching:
                    picture = self.lit(picture, colours[step])
                noise = np.random.default_rng(len(frames)).normal(0, 1.5, picture.shape)
                frames.append((index, len(frames) * interval_ms, jpeg(_rgb_of(picture + noise))))
        return frames

    def _opened(self, mouth: float) -> Rgb:
        """The jaw lowered: what lies below the lips moves down, less beside the mouth and below the chin."""
        p = self._points
        eyes = float(np.linalg.norm(p[45] - p[36]))
        drop = 0.34 * eyes * mouth
        line = float(p[[60, 61, 62, 63, 64, 65, 66, 67], 1].mean())
        middle, half = float(p[[48, 54], 0].mean()), float(p[54, 0] - p[48, 0]) / 2
        chin = float(p[8, 1])
        x, y = _pixels()
        across = np.clip(1 - ((x - middle) / (half * 0.98)) ** 2, 0, None) ** 0.5  # inside of the mouth
        jaw = np.exp(-(((x - middle) / (half * 2.2)) ** 4))
        fade = np.clip((chin + 1.2 * eyes - y) / (1.2 * eyes), 0, 1)
        gap = drop * across
        # Backward map: a pixel below the opened gap shows what was `shift` above it.
        lower = y > line + gap
        shift = np.where(lower, np.maximum(gap, drop * jaw * fade * _ease((y - line) / (0.45 * eyes))), 0)
        moved = _sampled(self._still, x, (y - shift).astype(np.float32))
        inside = ((y > line) & (y <= line + gap)).astype(np.float32)
        inside = cv2.GaussianBlur(inside, (0, 0), 1.2)[..., None]
        return _rgb_of(moved * (1 - inside) + np.array([45, 15, 25], np.float32) * inside)

    def _rotated(self, picture: Rgb, turn: float, nod: float) -> Rgb:
        to_source = _rotation(turn, nod).T.astype(np.float32)
        focal = np.float32(_CAMERA_DISTANCE * WIDTH)
        ys, xs = np.mgrid[0 : HEIGHT + _GRID : _GRID, 0 : WIDTH + _GRID : _GRID].astype(np.float32)
        u, v = xs - self._centre[0], ys - self._centre[1]
        top = float(self._relief.max())
        nearest, farthest = top * 1.1, -top * 1.6
        found = np.zeros(u.shape, bool)
        map_x, map_y = xs.copy(), ys.copy()
        before: tuple[Grid, Grid, Grid] | None = None
        for depth in np.linspace(nearest, farthest, _STEPS, dtype=np.float32):
            scale = (focal - depth) / focal
            ray = np.stack([u * scale, v * scale, np.full_like(u, depth)])
            px, py, pz = np.tensordot(to_source, ray, axes=1)
            sx, sy = px + self._centre[0], py + self._centre[1]
            surface = cv2.remap(self._relief, sx, sy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            above = pz - surface
            if before is not None:
                hit = ~found & (above <= 0)
                x0, y0, a0 = before
                part = np.clip(a0 / np.maximum(a0 - above, 1e-6), 0, 1)
                map_x[hit] = (x0 + (sx - x0) * part)[hit]
                map_y[hit] = (y0 + (sy - y0) * part)[hit]
                found |= hit
            before = (sx, sy, above)
        size = (map_x.shape[1] * _GRID, map_x.shape[0] * _GRID)
        # An affine enlargement and not cv2.resize, which would shift the grid by half a cell.
        enlarge = np.array([[_GRID, 0, 0], [0, _GRID, 0]], np.float32)
        full_x, full_y = (
            cv2.warpAffine(nodes, enlarge, size, borderMode=cv2.BORDER_REPLICATE)[:HEIGHT, :WIDTH]
            for nodes in (map_x, map_y)
        )
        return _sampled(picture, full_x, full_y)


def _framed(portrait: Rgb, face_width: int) -> Rgb:
    """The portrait scaled and placed so that its face is in the middle of a 640 x 480 frame."""
    box = load_engine().detect(portrait)[0]
    scale = face_width / box.width
    middle_x, middle_y = box.centre
    to_middle = [[scale, 0, WIDTH / 2 - middle_x * scale], [0, scale, HEIGHT / 2 - middle_y * scale]]
    matrix = np.array(to_middle, np.float32)
    size = (WIDTH, HEIGHT)
    return _rgb_of(cv2.warpAffine(portrait, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT))


def _relief(points: Grid, centre: Grid) -> Grid:
    """Height of the head above the plane of its rim, in pixels: an ellipsoid and a nose on it."""
    x, y = _pixels()
    half_width = float(np.linalg.norm(points[16] - points[0])) / 2 * 1.05
    half_height = float(np.linalg.norm(points[8] - points[27])) * 0.95 * 1.55
    middle = (centre + points[30]) / 2
    radius = ((x - middle[0]) / half_width) ** 2 + ((y - middle[1]) / half_height) ** 2
    height = half_width * 0.95 * np.sqrt(np.clip(1 - radius * 0.92, 0, None))
    nose = float(np.linalg.norm(points[33] - points[27])) * 0.28
    for t in np.linspace(0, 1, 6):
        at = points[27] * (1 - t) + points[30] * t
        bump = np.exp(-(((x - at[0]) / nose) ** 2 + ((y - at[1]) / nose) ** 2))
        height += (radius < 1) * half_width * 0.075 * (0.5 + 1.3 * t) * bump
    return np.asarray(cv2.GaussianBlur(height.astype(np.float32), (0, 0), 3), dtype=np.float32)


def _bow(points: Grid, centre: Grid) -> Grid:
    """How far a bent sheet lies behind its middle, in pixels: a parabola across, as steep as 1 at the face's sides."""
    x, _ = _pixels()
    half_width = float(np.linalg.norm(points[16] - points[0])) / 2
    return np.asarray((x - centre[0]) ** 2 / (2 * half_width), dtype=np.float32)


def _facing(relief: Grid) -> Grid:
    """The cosine between the surface and the direction of the camera, 0 to 1."""
    slope_x, slope_y = (
        cv2.Sobel(relief, cv2.CV_32F, 1, 0, scale=1 / 8),
        cv2.Sobel(relief, cv2.CV_32F, 0, 1, scale=1 / 8),
    )
    return np.asarray(1 / np.sqrt(1 + slope_x**2 + slope_y**2), dtype=np.float32)


def _rotation(turn: float, nod: float) -> npt.NDArray[np.float64]:
    """Head rotation; axes x right, y down, z to the camera."""
    cos_t, sin_t, cos_n, sin_n = np.cos(turn), np.sin(turn), np.cos(nod), np.sin(nod)
    about_y = np.array([[cos_t, 0, sin_t], [0, 1, 0], [-sin_t, 0, cos_t]])
    about_x = np.array([[1, 0, 0], [0, cos_n, sin_n], [0, -sin_n, cos_n]])
    return np.asarray(about_x @ about_y)


@cache
def _pixels() -> tuple[Grid, Grid]:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return x.astype(np.float32), y.astype(np.float32)


def _ease(t: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    clipped = np.clip(t, 0, 1)
    return np.asarray(clipped * clipped * (3 - 2 * clipped), dtype=np.float32)


def _sampled(picture: Rgb, x: cv2.typing.MatLike, y: cv2.typing.MatLike) -> Rgb:
    """The picture whose pixel (u, v) shows what `picture` has at (x[v, u], y[v, u])."""
    return _rgb_of(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))


def _rgb_of(values: npt.ArrayLike) -> Rgb:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
