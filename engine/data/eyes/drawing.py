"""Draws a batch of eyes from their parameters: skin, lids, sclera, iris, pupil, lashes, glasses, light, camera.

Every layer is a coverage mask (n, H, W) and a colour blended over what lies below. Edges are ramps one pixel
wide, so thin slits keep their area. Knows no labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Parameters = dict[str, Tensor]
"""Tensors of shape (n, 1, 1)."""
Colour = tuple[float, float, float]

SKIN_DARK, SKIN_LIGHT = (0.20, 0.13, 0.10), (0.95, 0.80, 0.70)
IRIS_BROWN, IRIS_BLUE, IRIS_GREEN = (0.16, 0.09, 0.05), (0.45, 0.60, 0.75), (0.50, 0.52, 0.38)
HAIR_DARK, HAIR_LIGHT = (0.05, 0.04, 0.03), (0.55, 0.42, 0.28)
LID_DARK, LID_LIGHT = (0.2, 0.1, 0.12), (0.4, 0.3, 0.45)
SCLERA, WHITE = (0.96, 0.93, 0.91), (1.0, 1.0, 1.0)
BLUSH = (0.06, -0.05, -0.06)
"""What blood adds to the skin, as a share."""
COLOURS = (
    *(SKIN_DARK, SKIN_LIGHT, LID_DARK, LID_LIGHT, HAIR_DARK, HAIR_LIGHT),
    *(IRIS_BROWN, IRIS_BLUE, IRIS_GREEN, SCLERA, WHITE, BLUSH),
)
BINOMIAL = (1.0, 6.0, 15.0, 20.0, 15.0, 6.0, 1.0)


class Canvas:
    """What every image of one size shares: coordinates, colours, blur. Made once, on the device that draws.

    A tensor made of numbers is copied to the device, and the device waits for it: no such thing while it draws.
    """

    def __init__(self, height: int, width: int, device: torch.device) -> None:
        self.height, self.width, self.device = height, width, device
        self.x = ((torch.arange(width, device=device) + 0.5) * 2 / width - 1).view(1, 1, width)
        """Of each column, from −1 to 1, shape (1, 1, W)."""
        self.y = ((torch.arange(height, device=device) + 0.5) * 2 / width - height / width).view(1, height, 1)
        """Of each row, in the same unit, shape (1, H, 1)."""
        self.blur_rows, self.blur_columns = blur_matrix(height).to(device), blur_matrix(width).T.to(device)
        self._colours: dict[Colour, Tensor] = {}
        for colour in COLOURS:
            self._colours[colour] = torch.tensor(colour, device=device).view(1, 3, 1, 1)

    def colour(self, colour: Colour) -> Tensor:
        """As a tensor, shape (1, 3, 1, 1)."""
        return self._colours[colour]

    def mix(self, a: Colour, b: Colour, share: Tensor) -> Tensor:
        """Colours between `a` (share 0) and `b` (share 1), shape (n, 3, 1, 1)."""
        return torch.lerp(self._colours[a], self._colours[b], share.unsqueeze(1))


@dataclass(frozen=True)
class Frame:
    """Coordinates of every pixel, and the curves of the lids, all of shape (n, H, W)."""

    u: Tensor
    """Along the eye: the corners lie at −1 and 1."""
    v: Tensor
    """Across the eye, downwards, in the same unit."""
    upper: Tensor
    """v of the upper lid's edge at the pixel's u."""
    lower: Tensor
    """v of the lower lid's edge at the pixel's u."""
    arch: Tensor
    """1 − u², skewed, 0 outside the corners."""
    pixel: Tensor
    """Size of a pixel in the eye's unit, shape (n, 1, 1)."""


def ramp(distance: Tensor, width: Tensor | float) -> Tensor:
    """0 outside (negative distance), 1 inside, linear over `width` around the edge."""
    return (distance / width).add_(0.5).clamp_(0, 1)


def bump(distance: Tensor, width: Tensor | float) -> Tensor:
    """Smooth bell 1/(1+(d/w)⁴) of half-width w: a soft line."""
    return (distance / width).square_().square_().add_(1).reciprocal_()


def blend(image: Tensor, colour: Tensor, mask: Tensor) -> Tensor:
    """`colour` over `image` where `mask` (n, H, W) is 1, in place."""
    return image.lerp_(colour.expand_as(image), mask.unsqueeze(1).expand_as(image))


def make_frame(p: Parameters, canvas: Canvas) -> Frame:
    """Coordinates of each pixel in the eye's own system."""
    cos, sin, unit = p["angle"].cos(), p["angle"].sin(), p["half_width"]
    dx, dy = canvas.x - p["shift_x"], canvas.y - p["shift_y"]
    mirror = (p["side"] >= 0.5).float() * 2 - 1
    u = (dx * (cos * mirror / unit)) + dy * (sin * mirror / unit)
    v = dy * (cos / unit) - dx * (sin / unit)
    arch = (1 - u.square()).clamp_(min=0) * (1 + p["skew"] * u)
    lower = arch * p["sag"]
    upper = lower - arch * (p["aperture"] * p["openness"])
    return Frame(u, v, upper, lower, arch, 2.4 / canvas.width / unit)


def draw_skin(p: Parameters, f: Frame, canvas: Canvas, texture: Tensor) -> Tensor:
    """Skin with low-frequency texture, eye socket, crease, make-up and brow; shape (n, 3, H, W)."""
    tone = canvas.mix(SKIN_DARK, SKIN_LIGHT, p["skin"])
    tone = tone * (1 + p["blush"].unsqueeze(1) * canvas.colour(BLUSH))
    socket = bump(f.v + 0.1, 0.55).mul_(-0.18).add_(1)
    crease = bump(f.v - f.upper + p["crease_gap"] * (0.4 + f.arch), 0.05 + f.pixel * 0.5)
    crease = crease.mul_(-p["crease"] * (0.3 + 0.7 * p["openness"])).mul_(f.arch.clamp(max=0.3) / 0.3)
    shade = socket.mul_(crease.add_(1)).mul_(texture)
    image = tone * shade.unsqueeze(1)
    lid = ramp(f.upper - f.v, f.pixel) * ramp(f.v - f.upper + p["crease_gap"] * 1.4, 0.12)
    makeup = lid * f.arch * p["makeup"].clamp(min=0)
    image = blend(image, canvas.mix(LID_DARK, LID_LIGHT, p["blush"]), makeup)
    brow = bump(f.v + p["brow_gap"] - 0.2 * f.arch, p["brow_width"]).mul_(p["brow"])
    return blend(image, canvas.mix(HAIR_DARK, HAIR_LIGHT, p["hair"]), brow)


def draw_eyeball(image: Tensor, p: Parameters, f: Frame, canvas: Canvas) -> Tensor:
    """Sclera, iris with limbal ring, pupil and glint, seen through the opening between the lids."""
    opening = ramp(f.v - f.upper, f.pixel).add_(ramp(f.lower - f.v, f.pixel)).sub_(1).clamp_(min=0)
    opening = opening * ramp(f.arch - 0.02, 0.08)
    centre_v = 0.85 * p["sag"] - 0.5 * p["aperture"] + p["gaze_y"]
    du, dv, radius = f.u - p["gaze_x"], f.v - centre_v, p["iris_radius"]
    distance = (du.square() + dv.square()).sqrt_()
    shadow = (0.55 + 1.6 * (f.v - f.upper)).clamp_(0.4, 1.0).mul_(p["sclera"])
    colour = canvas.colour(SCLERA) * shadow.unsqueeze(1)
    light = canvas.mix(IRIS_BLUE, IRIS_GREEN, p["iris_hue"])
    iris = torch.lerp(canvas.colour(IRIS_BROWN), light, p["iris"].square().unsqueeze(1))
    ring = 1 - 0.5 * ramp(distance - 0.82 * radius, 0.15)
    colour = blend(colour, iris * ring.unsqueeze(1), ramp(radius - distance, f.pixel))
    pupil = ramp(radius * p["pupil"] - distance, f.pixel)
    colour.mul_((1 - 0.9 * pupil).unsqueeze(1))
    glint = (du - p["glint_x"] * radius).square_() + (dv - p["glint_y"] * radius).square_()
    glint = ramp(0.09 - glint.sqrt_(), f.pixel).mul_(p["glint"].clamp(min=0))
    colour.add_(glint.unsqueeze(1))
    return blend(image, colour, opening)


def draw_lashes(image: Tensor, p: Parameters, f: Frame, canvas: Canvas) -> Tensor:
    """The line of the upper lid and its lashes: upwards on an open eye, downwards on a closed one."""
    above = f.upper - f.v
    inside = ramp(1.05 - f.u.abs(), 0.15)
    line = bump(above, p["lash_width"] + 0.4 * f.pixel).mul_(p["lash"])
    direction = (4 * p["openness"] - 1).clamp_(-1, 1)
    along = above * direction
    reach = ramp(along, f.pixel) * ramp(p["lash_length"] - along, 0.1)
    strands = (f.u * p["lash_frequency"] + above * p["lash_slant"]).sin_().clamp_(min=0)
    lashes = torch.maximum(line, strands.mul_(reach).mul_(0.8 * p["lash"])).mul_(inside)
    lower = bump(f.v - f.lower, 0.02 + 0.4 * f.pixel).mul_(0.35 * p["lash"]).mul_(inside)
    return blend(image, canvas.mix(HAIR_DARK, HAIR_LIGHT, p["hair"] * 0.6), torch.maximum(lashes, lower))


def draw_glasses(image: Tensor, p: Parameters, f: Frame, canvas: Canvas) -> Tensor:
    """Frame, tinted lens and glare, on those who wear them."""
    worn = (p["glasses"] < 0.25).float()
    gx, gy = (f.u - p["frame_x"]) / p["frame_width"], (f.v - p["frame_y"]) / p["frame_height"]
    radius = gx.square().square_().add_(gy.square().square_()).sqrt_().sqrt_()
    lens = ramp(1 - radius, 0.1).mul_(worn)
    tint, glare = p["tint"].clamp(min=0), p["glare"].clamp(min=0)
    image = image.mul_((1 - lens * tint).unsqueeze(1))
    streak = bump(gx + 0.5 * gy - p["glare_x"], 0.3).mul_(lens).mul_(glare)
    image = blend(image, canvas.colour(WHITE), streak)
    rim = ramp(p["frame_line"] - (radius - 1).abs() * p["frame_height"], f.pixel).mul_(worn)
    return blend(image, p["frame_tone"].unsqueeze(1), rim)


def apply_light(image: Tensor, p: Parameters, canvas: Canvas) -> Tensor:
    """Lighting gradient, cast shadow, exposure, white balance and missing colour."""
    x, y = canvas.x, canvas.y
    gradient = 1 + p["light"] * (x * p["light_angle"].cos() + 2 * y * p["light_angle"].sin())
    across = x * p["shadow_angle"].cos() + 2 * y * p["shadow_angle"].sin() - p["shadow_edge"]
    shadow = 1 - p["shadow"].clamp(min=0) * ramp(across, 0.25)
    light = gradient.clamp_(min=0.15).mul_(shadow).mul_(p["gain"])
    balance = torch.stack([p["balance_red"], torch.ones_like(p["gain"]), p["balance_blue"]], dim=1)
    image = image.mul_(light.unsqueeze(1)).mul_(balance)
    grey = image.mean(1, keepdim=True).expand_as(image)
    return image.lerp_(grey, (p["grey"] < 0.5).float().unsqueeze(1)).add_(p["offset"].unsqueeze(1))


def blur_matrix(length: int) -> Tensor:
    """Matrix (length, length) of the binomial kernel 1 6 15 20 15 6 1 with replicated borders."""
    weights = torch.tensor(BINOMIAL) / 64
    rows = torch.arange(length).unsqueeze(1).expand(length, 7)
    columns = (rows + torch.arange(-3, 4)).clamp(0, length - 1)
    return torch.zeros(length, length).index_put_((rows, columns), weights.expand_as(rows), accumulate=True)


def apply_camera(image: Tensor, p: Parameters, canvas: Canvas, noise: Tensor) -> Tensor:
    """Blur (a binomial kernel of variance 1.5 pixels, blended) and noise of the sensor."""
    blurred = canvas.blur_rows @ (image @ canvas.blur_columns)
    image = image.lerp_(blurred, p["blur"].clamp(0, 1).unsqueeze(1))
    return image.add_(noise * p["noise"].unsqueeze(1))


def draw_noise(count: int, canvas: Canvas, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Texture of the skin (n, 1, 5, 9) and noise of the camera (n, 1, H, W) of `count` eyes, normally distributed.

    `generator`: of the device of the canvas; none: torch's own.
    """

    def normal(*shape: int) -> Tensor:
        return torch.randn(count, 1, *shape, generator=generator, device=canvas.device)

    return normal(5, 9), normal(canvas.height, canvas.width)


def draw_eyes(p: Parameters, canvas: Canvas, coarse: Tensor, fine: Tensor) -> Tensor:
    """The images of some parameters, with the noise that `draw_noise` gave for them; all on the device of `canvas`.

    Returns:
        Float (n, 3, H, W), mostly within [0, 1] (the caller clamps).
    """
    frame, size = make_frame(p, canvas), (canvas.height, canvas.width)
    texture = F.interpolate(coarse * p["texture"].unsqueeze(1), size, mode="bilinear", align_corners=True)
    image = draw_skin(p, frame, canvas, texture.squeeze(1).add_(1))
    image = draw_eyeball(image, p, frame, canvas)
    image = draw_lashes(image, p, frame, canvas)
    image = draw_glasses(image, p, frame, canvas)
    image = apply_light(image, p, canvas)
    return apply_camera(image, p, canvas, fine)
