"""People, a hundred units high for a child, the feet at the pen's origin, looking to the right."""

from . import heads
from .builds import BUILDS, CREAM, DARK, Build, Pose
from .characters import Look
from .palette import mix
from .pen import Pen, Point, smooth


def person(pen: Pen, look: Look, pose: Pose) -> Point:
    """Draws somebody, and answers where the leading hand is."""
    build = BUILDS[look.kind]
    heads.back_hair(pen, look, build)
    _legs(pen, look, build, pose)
    _arm(pen, look, build, lead=False, pose=pose)
    _coat(pen, look, build)
    hand = _arm(pen, look, build, lead=True, pose=pose)
    if look.kind == "astronaut":
        heads.space_helmet(pen, look, build)
    else:
        heads.head(pen, look, build)
        heads.scarf(pen, look, build)
        heads.hat(pen, look, build)
    if look.kind in {"grandfather", "wizard"} and not pose.raised:
        pen.limb(
            [(hand[0] + 1, 0), (hand[0] + 1, -build.neck * (1.25 if look.kind == "wizard" else 0.62))],
            3,
            3,
            (96, 66, 50),
        )
        if look.kind == "wizard":
            pen.oval(hand[0] + 1, -build.neck * 1.27, 4.5, 4.5, look.accent)
    return hand


def _legs(pen: Pen, look: Look, build: Build, pose: Pose) -> None:
    if build.hem < 12:
        for x in (-5, 7):
            pen.blob([(x - 4, 0), (x - 3, -8), (x + 3, -8), (x + 8, -3), (x + 8, 0.4)], DARK)
        return
    metal = look.kind in {"knight", "astronaut"}
    cloth = mix(look.body, DARK, 0.25) if metal else mix((58, 56, 84), look.accent, 0.12)
    boots = mix(look.body, DARK, 0.45) if metal else mix((92, 58, 46), DARK, 0.25)
    leg = cloth if build.trousers else mix(CREAM, DARK, 0.62)
    wide = 9.5 if build.trousers else 6.5
    spread = 4.5 + 5 * pose.stride
    hip = -build.hem - 6
    for lead, side in ((False, -1), (True, 1)):
        foot = side * spread + 1
        lift = 2.5 * pose.stride if not lead else 0.0
        ink = leg if lead else mix(leg, DARK, 0.25)
        pen.limb(
            [(side * 4, hip), ((side * 4 + foot) / 2 + 1.5 * pose.stride, hip / 2 - 1), (foot, -4 - lift)],
            wide,
            wide * 0.85,
            ink,
        )
        pen.blob(
            [
                (foot - 5, 0.4 - lift),
                (foot - 4.5, -11 - lift),
                (foot + 3.5, -11 - lift),
                (foot + 5, -6 - lift),
                (foot + 9.5, -3.5 - lift * 0.4),
                (foot + 9, 0.4 - lift * 0.4),
            ],
            boots if lead else mix(boots, DARK, 0.25),
        )


def _coat(pen: Pen, look: Look, build: Build) -> None:
    neck, hem, wide, skirt = -build.neck, -build.hem, build.shoulders, build.skirt
    waist = neck + (hem - neck) * 0.42
    pen.polygon(
        [
            *smooth([(-4, neck - 3), (-wide, neck + 4), (-wide * 0.98, waist), (-skirt, hem + 1)], closed=False),
            *smooth(
                [(-skirt, hem + 1), (-skirt * 0.4, hem + 3.5), (skirt * 0.4, hem + 3.5), (skirt, hem)], closed=False
            ),
            *smooth([(skirt, hem), (wide * 1.0, waist), (wide * 0.92, neck + 4), (4, neck - 3)], closed=False),
        ],
        look.body,
    )
    shade = mix(look.body, DARK, 0.2)
    pen.blob(
        [(-wide, neck + 6), (-wide * 0.45, waist), (-skirt * 0.45, hem + 4), (-skirt, hem + 1), (-wide * 1.05, waist)],
        shade,
    )
    if look.kind in {"princess", "king", "wizard", "witch"}:
        pen.limb([(-skirt * 0.92, hem - 1), (0, hem + 2), (skirt * 0.92, hem - 1)], 4, 4, look.accent)
        pen.limb([(-wide * 0.95, waist), (wide * 0.98, waist)], 4.5, 4.5, look.accent)
    elif look.kind == "astronaut":
        pen.polygon([(-6, waist), (7, waist), (7, waist - 10), (-6, waist - 10)], shade)
        pen.oval(3.5, waist - 5, 1.8, 1.8, look.accent)
    elif look.kind == "knight":
        pen.polygon([(-6, neck + 6), (7, neck + 6), (8, hem + 6), (-7, hem + 6)], look.accent)
    else:
        for share in (0.3, 0.52, 0.74):
            pen.oval(wide * 0.42, neck + (hem - neck) * share, 1.5, 1.5, mix(look.body, CREAM, 0.7))


def _arm(pen: Pen, look: Look, build: Build, *, lead: bool, pose: Pose) -> Point:
    x = build.shoulders * (0.62 if lead else -0.55)
    y = -build.neck + 6
    long = (build.neck - build.hem) * 0.5 + (9 if build.hem >= 12 else 2)
    long = min(long, 36)
    if lead and pose.raised:
        elbow, hand = (x + long * 0.45, y + long * 0.32), (x + long * 0.86, y - long * 0.12)
    elif lead:
        swing = 5 + 7 * pose.stride
        elbow, hand = (x + swing * 0.45, y + long * 0.5), (x + swing, y + long)
    else:
        swing = 4 + 8 * pose.stride
        elbow, hand = (x - swing * 0.9, y + long * 0.48), (x - swing * 0.9, y + long * 0.95)
    sleeve = mix(look.body, DARK, 0.1 if lead else 0.3)
    pen.limb(smooth([(x, y), elbow, hand], closed=False, steps=4), 8.5, 7.5, sleeve)
    metal = look.kind in {"knight", "astronaut"}
    pen.oval(hand[0], hand[1] + 1, 3.8, 3.8, mix(look.body, DARK, 0.35) if metal else look.skin)
    return hand
