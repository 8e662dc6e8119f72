"""Birds, the robot and the dragon, measured and placed as the animals are."""

from .builds import CREAM, DARK, Pose
from .characters import Look
from .palette import Colour, mix
from .pen import Pen, Point, smooth

BEAK: Colour = (240, 176, 68)


def bird(pen: Pen, look: Look, pose: Pose) -> None:
    """A plump bird on two thin legs."""
    shade = mix(look.body, DARK, 0.25)
    for x in (-2, 5):
        pen.limb([(x, -9), (x + 1, -1)], 1.8, 1.8, mix(BEAK, DARK, 0.35))
        pen.limb([(x - 2, -0.6), (x + 5, -0.6)], 1.6, 1.6, mix(BEAK, DARK, 0.35))
    pen.polygon([(-10, -20), (-34, -17), (-33, -25), (-12, -29)], shade)
    pen.blob(
        [(-17, -18), (-12, -31), (2, -38), (9, -47), (18, -45), (21, -35), (17, -17), (4, -7), (-8, -9)], look.body
    )
    pen.blob([(20, -33), (17, -17), (5, -8), (0, -14), (10, -24)], mix(look.body, CREAM, 0.72))
    wing = [(-20, -22), (-8, -34), (6, -33), (8, -24), (-4, -17)]
    if pose.raised:
        wing = [(-28, -46), (-10, -38), (4, -32), (6, -23), (-6, -20), (-22, -32)]
    pen.blob(wing, shade)
    pen.polygon([(19, -42), (30, -37.5), (19, -34.5)], BEAK)
    pen.oval(14, -40, 2.1, 2.3, DARK)
    pen.limb([(4, -36), (12, -31), (19, -32.5)], 4.6, 4.6, look.accent)


def owl(pen: Pen, look: Look, pose: Pose) -> None:
    shade, pale = mix(look.body, DARK, 0.3), mix(look.body, CREAM, 0.6)
    for x in (-6.0, 7.0):
        pen.oval(x, -1.8, 4.6, 2.4, BEAK)
    pen.blob([(-19, -18), (-18, -42), (-8, -54), (9, -54), (19, -42), (20, -18), (10, -3), (-9, -3)], look.body)
    for side in (-1, 1):
        pen.polygon([(side * 5, -52), (side * 17, -63), (side * 17, -45)], shade)
    pen.blob([(-9, -6), (-11, -22), (0, -32), (13, -22), (11, -6), (1, -3)], pale)
    for row, y in enumerate((-24, -18, -12)):
        for x in (-4, 2, 8):
            pen.oval(x + (row % 2) * 2 - 1, y, 1.7, 1.3, shade)
    lift = 10 if pose.raised else 0
    for side in (-1, 1):
        pen.blob(
            [
                (side * 15, -38),
                (side * (22 + lift), -26 - lift),
                (side * (17 + lift * 1.4), -8 - lift * 1.6),
                (side * 12, -18),
            ],
            shade,
        )
    for x in (-7.5, 9.0):
        pen.oval(x, -43, 9, 9, pale)
        pen.oval(x + 1, -43, 5.2, 5.2, (248, 200, 92))
        pen.oval(x + 1.4, -43, 2.8, 2.8, DARK)
    pen.polygon([(-2, -40), (4, -40), (1, -33)], BEAK)
    pen.limb(smooth([(-15, -31), (0, -28), (17, -31)], closed=False, steps=3), 5, 5, look.accent)


def robot(pen: Pen, look: Look, pose: Pose) -> Point:
    """A friendly box with a lit face. Answers where its leading hand is."""
    body, shade = look.body, mix(look.body, DARK, 0.28)
    deep = mix(look.body, DARK, 0.6)
    for x, lead in ((-9, False), (9, True)):
        foot = x + 4 * pose.stride * (1 if lead else -1)
        pen.limb([(x, -28), (foot, -6)], 6, 6, deep)
        pen.blob(
            [(foot - 7, 0.4), (foot - 6, -7), (foot + 4, -8), (foot + 9, -3), (foot + 9, 0.4)],
            shade if not lead else body,
        )
    pen.limb(smooth([(-18, -54), (-27, -44), (-25, -31)], closed=False, steps=3), 5.5, 5.5, deep)
    pen.oval(-25, -29, 4.8, 4.8, shade)
    _rounded(pen, -19, -62, 19, -24, 7, body)
    _rounded(pen, -19, -62, -8, -24, 6, shade)
    _rounded(pen, -3, -55, 14, -38, 3, mix(body, CREAM, 0.45))
    pen.oval(5.5, -46.5, 5.6, 5.6, look.accent)
    for x in (-1, 5, 11):
        pen.oval(x, -32, 1.8, 1.8, look.accent)
    hand = (34.0, -62.0) if pose.raised else (27.0, -31.0)
    pen.limb(smooth([(18, -54), (28, -48), hand], closed=False, steps=3), 5.5, 5.5, deep)
    pen.oval(hand[0], hand[1], 4.8, 4.8, body)
    pen.limb([(0, -68), (0, -60)], 9, 9, deep)
    _rounded(pen, -22, -95, 22, -66, 9, body)
    _rounded(pen, -12, -90, 20, -71, 7, mix(deep, DARK, 0.4))
    for x in (-1, 12):
        pen.oval(x, -81, 3.4, 4, (168, 240, 232))
    pen.limb([(0, -94), (-2, -106)], 2.4, 2.4, deep)
    pen.oval(-2, -108, 4, 4, look.accent)
    pen.oval(-22, -80, 3.5, 5.5, deep)
    pen.limb([(-14, -64.5), (15, -64.5)], 6, 6, look.accent)
    return hand


def _rounded(pen: Pen, left: float, top: float, right: float, bottom: float, bend: float, ink: Colour) -> None:
    corners = []
    for x, y, sx, sy in ((left, top, 1, 1), (right, top, -1, 1), (right, bottom, -1, -1), (left, bottom, 1, -1)):
        first, second = (x, y + sy * bend), (x + sx * bend, y)
        middle = (x + sx * bend * 0.29, y + sy * bend * 0.29)
        corners += [first, middle, second] if sx == sy else [second, middle, first]
    pen.polygon(corners, ink)


def dragon(pen: Pen, look: Look, pose: Pose) -> None:
    """A small dragon that sits upright, wings half open."""
    body, shade = look.body, mix(look.body, DARK, 0.26)
    belly = mix(look.body, (255, 236, 184), 0.6)
    wing = mix(look.accent, DARK, 0.1)
    lift = 12 if pose.raised else 0
    pen.polygon(
        [
            (-12, -62),
            (-30, -104 - lift),
            (-66, -96 - lift),
            (-58, -80),
            (-62, -64),
            (-46, -62),
            (-40, -48),
            (-26, -54),
            (-12, -44),
        ],
        wing,
    )
    for tip in ((-66, -96 - lift), (-62, -64), (-40, -48)):
        pen.limb(
            [(-14, -58), (-30, -104 - lift), tip] if tip[1] < -70 else [(-26, -92 - lift * 0.7), tip],
            3,
            1.4,
            mix(wing, DARK, 0.3),
        )
    pen.blob([(-14, -4), (-36, -1), (-56, -8), (-66, -22), (-58, -18), (-44, -16), (-28, -18), (-12, -26)], body)
    pen.polygon([(-62, -16), (-78, -26), (-64, -34)], look.accent)
    pen.blob([(-26, 0), (-32, -16), (-20, -30), (-2, -24), (2, -4), (-4, 0)], shade)
    pen.blob(
        [
            (-22, -4),
            (-25, -26),
            (-16, -52),
            (-6, -72),
            (2, -92),
            (18, -92),
            (17, -76),
            (17, -54),
            (18, -28),
            (12, -2),
            (-6, -1),
        ],
        body,
    )
    pen.blob([(11, -74), (17, -70), (18, -40), (13, -8), (3, -5), (3, -30)], belly)
    for y in (-58, -47, -36, -25, -14):
        pen.limb([(5.5, y), (16, y + 1.5)], 1.2, 1.2, mix(belly, body, 0.5))
    pen.limb(smooth([(8, -52), (20, -47), (27, -52 - lift)], closed=False, steps=3), 7, 5.5, shade)
    for x in (-10, 9):
        pen.oval(x + 4, -3, 9.5, 4, body)
    for x, y, turn in ((-4, -88, -40), (-9, -74, -55), (-15, -60, -62), (-21, -44, -68), (-25, -29, -75)):
        pen.at(x, y, turn=turn).polygon([(-5, 2), (0, -9), (5, 2)], look.accent)
    pen.limb(smooth([(2, -100), (-5, -110), (-14, -114)], closed=False, steps=3), 5, 2, CREAM)
    pen.blob(
        [(-5, -90), (-3, -103), (10, -108), (20, -101), (33, -97), (37, -90), (30, -84), (12, -83), (0, -83)], body
    )
    pen.blob([(14, -86), (34, -91), (31, -84), (14, -82)], belly)
    pen.limb(smooth([(9, -104), (4, -115), (-4, -121)], closed=False, steps=3), 5, 2, mix(CREAM, DARK, 0.1))
    pen.oval(13.5, -97, 2.9, 3.3, CREAM)
    pen.oval(14.3, -97, 1.8, 2.3, DARK)
    pen.oval(33, -93, 1.3, 1.1, shade)
