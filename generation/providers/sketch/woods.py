"""Forest and meadow: all behind the figures, and the ground below them. Trees, hills and flowers for other places."""

from . import plants
from .land import band, rolling, stage
from .landmarks import paint_landmarks
from .palette import SNOW, Colour, hexed, mix
from .pen import Pen
from .scene import Ridge, Scene

AUTUMN = tuple(map(hexed, ("c8552b", "dc8a35", "b23f2a", "e6b04a", "9c4a2c")))


SPRING = tuple(map(hexed, ("5f9e63", "7fb069", "4b8a62", "94bd6c")))


PETALS = tuple(map(hexed, ("f4f0e4", "f2c84b", "e8694a", "d97fa6", "f4f0e4")))


def forest(scene: Scene) -> Ridge:
    """Trees grow from layer to layer and stand aside for the figures."""
    band(scene, 0.06, rolling(scene, scene.y(0.53), 0.035, 0.8), at=scene.y(0.53), tall=0.06)
    wood(scene, 0.24, scene.y(0.6), each=0.036, high=(0.1, 0.2), kind="far")
    scene.mist(scene.y(0.63), 0.1 * scene.unit, 0.45)
    kind = scene.rng.choice(("pine", "pine", "round", "poplar"))
    if scene.reading.hour == "autumn":
        kind = scene.rng.choice(("round", "poplar", "poplar"))
    if scene.colours.snowy:
        kind = "pine"
    ridge = wood(scene, 0.46, scene.y(0.68), each=0.075, high=(0.2, 0.36), kind=kind, reach=0.13)
    scene.mist(scene.y(0.735), 0.12 * scene.unit, 0.5)
    paint_landmarks(scene, ridge)
    ground = stage(scene)
    _near_wood(scene, ground, kind)
    return ground


def _near_wood(scene: Scene, ground: Ridge, kind: str) -> None:
    def planted(pen: Pen) -> None:
        for x in scene.scatter(0.15, jitter=0.45):
            if scene.clear_of_figures(x, reach=0.24):
                tall = (0.4, 0.62) if kind in {"pine", "poplar"} else (0.3, 0.42)
                size = scene.rng.uniform(*tall) * scene.unit
                tree(scene, pen.at(x, ground(x) + 0.02 * scene.unit, unit=size), kind, 0.72)

    def undergrowth(pen: Pen) -> None:
        for x in scene.scatter(0.07):
            if scene.clear_of_figures(x, reach=0.11):
                size = scene.rng.uniform(0.02, 0.045) * scene.unit
                plants.fern(pen.at(x, ground(x) + 0.004 * scene.unit, unit=size), scene.rng)
        for _ in range(3):
            x = scene.focus[0] + scene.rng.choice((-1, 1)) * scene.rng.uniform(0.13, 0.3) * scene.unit
            cap = scene.colours.lit(hexed("c8432f"))
            plants.mushroom(pen.at(x, ground(x), unit=0.026 * scene.unit), cap, scene.colours.lit(hexed("f4e6cf")))

    band(
        scene,
        0.72,
        ground,
        at=scene.focus[1],
        tall=0.66,
        planted=planted,
        ground_only=None if scene.colours.snowy else undergrowth,
    )


def meadow(scene: Scene) -> Ridge:
    """Rolling hills, single trees and hedges, flowers at the feet."""
    unit = scene.unit
    band(scene, 0.05, rolling(scene, scene.y(0.54), 0.04, 1.0), at=scene.y(0.54), tall=0.05)
    hills(scene, 0.2, scene.y(0.6), each=0.09, high=(0.03, 0.07))
    scene.mist(scene.y(0.64), 0.07 * unit, 0.35)
    ridge = hills(scene, 0.38, scene.y(0.67), each=0.24, high=(0.08, 0.17), reach=0.12)
    scene.mist(scene.y(0.74), 0.1 * unit, 0.35)
    paint_landmarks(scene, ridge)
    ground = stage(scene)

    def blossoms(pen: Pen) -> None:
        flowers(scene, pen, ground, each=0.035, size=(0.02, 0.034), depth=0.66)

    def one_tree(pen: Pen) -> None:
        x = scene.focus[0] - scene.facing * scene.rng.uniform(0.25, 0.3) * unit
        tree(scene, pen.at(x, ground(x) + 0.012 * unit, unit=scene.rng.uniform(0.3, 0.42) * unit), "round", 0.66)

    band(
        scene,
        0.64,
        ground,
        at=scene.focus[1],
        tall=0.45,
        planted=one_tree,
        ground_only=None if scene.colours.snowy else blossoms,
    )
    return ground


def wood(
    scene: Scene, depth: float, at: float, *, each: float, high: tuple[float, float], kind: str, reach: float = 0
) -> Ridge:
    ridge = rolling(scene, at, 0.02, 0.7)

    def planted(pen: Pen) -> None:
        for x in scene.scatter(each):
            if reach and not scene.clear_of_figures(x, reach=reach):
                continue
            tree(
                scene, pen.at(x, ridge(x) + 0.012 * scene.unit, unit=scene.rng.uniform(*high) * scene.unit), kind, depth
            )

    band(scene, depth, ridge, at=at, tall=high[1], planted=planted)
    return ridge


def hills(scene: Scene, depth: float, at: float, *, each: float, high: tuple[float, float], reach: float = 0) -> Ridge:
    """A rolling layer with round trees on it; answers its ridge."""
    ridge = rolling(scene, at, 0.03, 0.8)
    kinds = ("round", "poplar") if scene.reading.hour in {"day", "autumn"} else ("round", "round", "poplar")

    def planted(pen: Pen) -> None:
        for x in scene.scatter(each, jitter=0.5):
            if scene.rng.random() < 0.75 and scene.clear_of_figures(x, reach=reach):
                size = scene.rng.uniform(*high) * scene.unit
                tree(scene, pen.at(x, ridge(x) + 0.006 * scene.unit, unit=size), scene.rng.choice(kinds), depth)

    band(scene, depth, ridge, at=at, tall=high[1], planted=planted)
    return ridge


def tree(scene: Scene, pen: Pen, kind: str, depth: float) -> None:
    """A tree in its layer's tone; in autumn and by day the near ones have crowns of their own colour."""
    rng = scene.rng
    if kind == "far":
        plants.spruce(pen, rng)
    elif kind == "pine":
        snow = mix(scene.colours.ground(min(depth + 0.2, 1)), SNOW, 0.2) if scene.colours.snowy else None
        plants.pine(pen, rng, scene.colours.tone(depth + 0.14) if snow else None, snow=snow)
    else:
        crown = _crown(scene, depth)
        bark = scene.colours.tone(min(1.0, depth + 0.1))
        (plants.round_tree if kind == "round" else plants.poplar)(pen, rng, bark if crown else None, crown)


def _crown(scene: Scene, depth: float) -> Colour | None:
    if scene.reading.hour == "autumn":
        return mix(scene.rng.choice(AUTUMN), scene.colours.haze, 0.6 - 0.6 * depth)
    if scene.reading.hour == "day":
        return mix(scene.rng.choice(SPRING), scene.colours.tone(depth), 0.35)
    return None


def flowers(scene: Scene, pen: Pen, ground: Ridge, *, each: float, size: tuple[float, float], depth: float) -> None:
    """Grass and flowers along a ridge, low where the figures stand."""
    unit, rng = scene.unit, scene.rng
    grass = scene.colours.tone(min(1.0, depth + 0.12))
    for x in scene.scatter(each):
        if not scene.clear_of_figures(x, reach=0.1):
            continue
        plants.tuft(pen.at(x, ground(x) + 0.004 * unit, unit=rng.uniform(*size) * unit), rng, grass)
        if rng.random() < 0.55:
            petals = scene.colours.lit(rng.choice(PETALS))
            place = pen.at(
                x + rng.uniform(-0.02, 0.02) * unit,
                ground(x) + rng.uniform(0, 0.03) * unit,
                unit=rng.uniform(*size) * unit,
            )
            plants.flower(place, rng, grass, petals)
