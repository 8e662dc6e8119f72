"""Heads of people, what they wear on them, and scarves."""

from .builds import CREAM, DARK, Build
from .characters import Look
from .palette import mix
from .pen import Pen, smooth


def back_hair(pen: Pen, look: Look, build: Build) -> None:
    top = -build.neck - build.head
    if look.kind in {"knight", "king"}:
        cape = [(4, -build.neck), (-10, -build.neck + 4), (-24, -26), (-27, -6), (-6, -9), (2, -30)]
        pen.blob(cape, look.accent)
    if look.kind in {"boy", "man", "grandfather", "knight", "king", "astronaut", "wizard"} or look.hat == "hood":
        return
    r = build.head
    if look.hair_style == "long" or look.kind in {"princess", "witch"}:
        pen.blob(
            [
                (4, top - r),
                (-r * 1.05, top - r * 0.5),
                (-r * 1.2, top + r * 0.7),
                (-r * 1.25, top + r * 2.2),
                (-r * 0.3, top + r * 2.0),
                (r * 0.6, top + r * 0.4),
            ],
            look.hair,
        )
    elif look.hair_style == "plaits":
        pen.limb(
            smooth(
                [(-r * 0.6, top + r * 0.4), (-r * 1.25, top + r * 1.1), (-r * 1.6, top + r * 1.9)],
                closed=False,
                steps=3,
            ),
            8,
            5,
            look.hair,
        )
        pen.oval(-r * 1.52, top + r * 1.7, 3.4, 2.6, look.accent)
    elif look.hair_style == "bun" or look.kind == "grandmother":
        pen.oval(-r * 0.75, top - r * 0.85, r * 0.48, r * 0.48, look.hair)
    elif look.hair_style == "curls":
        for dx, dy in ((-0.9, -0.4), (-1.1, 0.2), (-0.9, 0.8), (-0.3, -0.95), (0.35, -0.9)):
            pen.oval(dx * r, top + dy * r, r * 0.5, r * 0.5, look.hair)


def head(pen: Pen, look: Look, build: Build) -> None:
    r = build.head
    y = -build.neck - r * 0.92
    pen.oval(0, y, r, r, look.skin)
    pen.oval(r * 0.95, y + r * 0.16, r * 0.14, r * 0.13, look.skin)
    hair = look.hair
    short = look.kind in {"boy", "man", "grandfather", "king", "knight", "wizard"}
    low = 0.25 if short else 0.85
    pen.polygon(
        smooth(
            [
                (r * 0.82, y - r * 0.5),
                (r * 0.3, y - r * 1.1),
                (-r * 0.45, y - r * 1.12),
                (-r * 1.08, y - r * 0.4),
                (-r * 1.1, y + r * low * 0.7),
                (-r * 0.62, y + r * low),
                (-r * 0.4, y + r * 0.1),
                (-r * 0.05, y - r * 0.42),
            ],
            closed=True,
        ),
        hair,
    )
    pen.oval(r * 0.5, y + r * 0.02, r * 0.1, r * 0.13, DARK)
    pen.oval(r * 0.42, y + r * 0.42, r * 0.2, r * 0.13, mix(look.skin, (228, 96, 84), 0.42))
    if look.kind in {"grandfather", "wizard", "king"}:
        beard = 2.1 if look.kind == "wizard" else 1.15
        pen.blob(
            [
                (r * 0.95, y + r * 0.42),
                (r * 0.2, y + r * 0.5),
                (-r * 0.35, y + r * 0.35),
                (-r * 0.2, y + r * (0.4 + beard * 0.6)),
                (r * 0.45, y + r * (0.35 + beard)),
            ],
            hair,
        )


def scarf(pen: Pen, look: Look, build: Build) -> None:
    if look.kind in {"princess", "king", "knight", "wizard"}:
        return
    y = -build.neck + 0.5
    wide = build.shoulders * 0.82
    pen.limb(smooth([(-wide, y - 1), (0, y + 2), (wide, y - 1)], closed=False, steps=3), 7.5, 7.5, look.accent)
    pen.blob(
        [
            (-wide + 2, y - 3),
            (-wide - 9, y + 2),
            (-wide - 17, y + 1),
            (-wide - 15, y + 8),
            (-wide - 6, y + 8),
            (-wide + 3, y + 4),
        ],
        mix(look.accent, DARK, 0.12),
    )


def hat(pen: Pen, look: Look, build: Build) -> None:
    r = build.head
    y = -build.neck - r * 0.92
    worn = {"princess": "crown", "king": "crown", "witch": "point", "wizard": "point", "knight": "helmet"}.get(
        look.kind, look.hat
    )
    if worn == "beanie":
        pen.polygon(
            smooth(
                [
                    (-r * 1.1, y - r * 0.28),
                    (-r * 0.85, y - r * 1.1),
                    (0, y - r * 1.42),
                    (r * 0.75, y - r * 1.05),
                    (r * 0.98, y - r * 0.42),
                ],
                closed=False,
            ),
            look.accent,
        )
        pen.limb(
            [(-r * 1.08, y - r * 0.34), (r * 0.98, y - r * 0.46)], r * 0.36, r * 0.36, mix(look.accent, DARK, 0.18)
        )
        pen.oval(-r * 0.1, y - r * 1.5, r * 0.27, r * 0.27, mix(look.accent, CREAM, 0.55))
    elif worn == "hood":
        hood = mix(look.body, CREAM, 0.06)
        pen.blob(
            [
                (r * 0.62, y - r * 0.86),
                (r * 0.05, y - r * 1.28),
                (-r * 0.75, y - r * 1.32),
                (-r * 1.5, y - r * 1.05),
                (-r * 1.22, y - r * 0.1),
                (-r * 1.0, y + r * 0.85),
                (-r * 0.25, y + r * 1.0),
                (-r * 0.12, y + r * 0.35),
                (r * 0.0, y - r * 0.3),
            ],
            hood,
        )
    elif worn == "brim":
        pen.limb([(-r * 1.45, y - r * 0.55), (r * 1.45, y - r * 0.7)], r * 0.26, r * 0.26, look.accent)
        pen.blob(
            [(-r * 0.9, y - r * 0.6), (-r * 0.75, y - r * 1.4), (r * 0.6, y - r * 1.5), (r * 0.85, y - r * 0.7)],
            look.accent,
        )
    elif worn == "crown":
        pen.polygon(
            [
                (-r * 0.75, y - r * 0.82),
                (-r * 0.9, y - r * 1.62),
                (-r * 0.42, y - r * 1.25),
                (-r * 0.05, y - r * 1.78),
                (r * 0.3, y - r * 1.28),
                (r * 0.75, y - r * 1.65),
                (r * 0.68, y - r * 0.86),
            ],
            (240, 190, 72),
        )
    elif worn == "point":
        pen.blob(
            [(-r * 1.6, y - r * 0.38), (0, y - r * 0.78), (r * 1.6, y - r * 0.58), (0, y - r * 0.48)],
            mix(look.body, DARK, 0.35),
        )
        pen.blob(
            [
                (-r * 0.85, y - r * 0.6),
                (-r * 0.55, y - r * 1.6),
                (-r * 0.7, y - r * 2.7),
                (r * 0.1, y - r * 1.8),
                (r * 0.85, y - r * 0.7),
            ],
            mix(look.body, DARK, 0.3),
        )
        pen.limb([(-r * 0.8, y - r * 0.75), (r * 0.8, y - r * 0.85)], r * 0.28, r * 0.28, look.accent)
    elif worn == "helmet":
        pen.blob(
            [
                (r * 1.05, y + r * 0.25),
                (r * 1.0, y - r * 0.6),
                (0, y - r * 1.25),
                (-r * 1.05, y - r * 0.7),
                (-r * 1.1, y + r * 0.7),
                (-r * 0.2, y + r * 0.95),
                (r * 0.35, y + r * 0.4),
            ],
            look.body,
        )
        pen.polygon(
            [(r * 0.05, y - r * 0.1), (r * 1.08, y - r * 0.1), (r * 1.05, y + r * 0.12), (r * 0.05, y + r * 0.12)], DARK
        )
        pen.blob(
            [
                (-r * 0.1, y - r * 1.15),
                (-r * 0.9, y - r * 1.85),
                (-r * 1.9, y - r * 1.2),
                (-r * 1.5, y - r * 0.6),
                (-r * 0.9, y - r * 1.0),
            ],
            look.accent,
        )


def space_helmet(pen: Pen, look: Look, build: Build) -> None:
    r = build.head
    y = -build.neck - r * 0.75
    pen.blob([(-22, -62), (-10, -64), (-10, -34), (-22, -36)], mix(look.body, DARK, 0.3))
    pen.oval(0, y, r, r, look.body)
    pen.oval(r * 0.24, y, r * 0.68, r * 0.62, mix(look.accent, DARK, 0.55))
    pen.oval(r * 0.45, y - r * 0.22, r * 0.2, r * 0.13, mix(look.accent, CREAM, 0.6))
    pen.limb([(-13, -build.neck + 1), (13, -build.neck + 1)], 5, 5, look.accent)
