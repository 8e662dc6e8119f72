"""Animals, measured in hundredths of a child's height, the feet at the pen's origin, looking to the right."""

from .builds import CREAM, DARK, Pose
from .characters import Look
from .palette import Colour, mix
from .pen import Pen, smooth

WHITE: Colour = (250, 244, 234)


def canine(pen: Pen, look: Look, pose: Pose) -> None:
    """A fox, a wolf or a dog: one body, three tails."""
    fur, shade = look.body, mix(look.body, DARK, 0.22)
    socks = mix(fur, DARK, 0.62) if look.kind == "fox" else mix(fur, DARK, 0.3)
    pale = mix(fur, WHITE, 0.86 if look.kind == "fox" else 0.55)
    if pose.seated:
        _canine_tail(pen.at(-15, -7, turn=0 if look.kind != "wolf" else 42), look, pale)
        pen.blob([(-20, 0), (-24, -13), (-15, -30), (-2, -44), (9, -42), (11, -22), (9, 0)], fur)
        pen.blob([(-21, 0), (-23, -12), (-13, -22), (-5, -10), (-6, 0)], shade)
        pen.blob([(2, -40), (12, -38), (11, -18), (5, -13)], pale)
        for x, ink in ((2, mix(socks, DARK, 0.2)), (8, socks)):
            pen.limb([(x, -24), (x + 0.5, -2.5)], 6.5, 5, fur if ink is socks else shade)
            pen.limb([(x + 0.3, -11), (x + 0.5, -2.5)], 5.4, 5, ink)
            pen.oval(x + 2, -2, 4.2, 2.3, ink)
        neck = (6.0, -44.0)
    else:
        _canine_tail(pen.at(-25, -32, turn=28), look, pale)
        for x, lean, behind in ((-17, -3, True), (15, 4, True), (-21, 3, False), (11, -3, False)):
            stride = lean * (0.4 + pose.stride)
            upper, lower = (shade, mix(socks, DARK, 0.25)) if behind else (fur, socks)
            pen.limb([(x, -26), (x + stride * 0.4, -13), (x + stride, -2.5)], 9, 5, upper)
            pen.limb([(x + stride * 0.5, -11.5), (x + stride, -2.5)], 5.6, 4.8, lower)
            pen.oval(x + stride + 1.6, -2, 3.8, 2.2, lower)
        pen.blob(
            [(-29, -30), (-22, -40), (-4, -38), (12, -44), (21, -40), (20, -26), (8, -20), (-10, -23), (-24, -21)], fur
        )
        pen.blob([(12, -42), (22, -40), (20, -27), (13, -22)], pale)
        pen.limb([(11, -34), (20, -47)], 19, 16, fur)
        neck = (20.0, -47.0)
    _canine_head(pen.at(neck[0] + 4, neck[1] - 10), look, pale)
    pen.limb(
        smooth([(neck[0] - 8, neck[1] - 3), (neck[0], neck[1] + 2), (neck[0] + 8, neck[1] + 1)], closed=False, steps=3),
        5.8,
        5.8,
        look.accent,
    )
    pen.blob(
        [
            (neck[0] - 7, neck[1] - 4),
            (neck[0] - 17, neck[1] + 1),
            (neck[0] - 15, neck[1] + 6),
            (neck[0] - 6, neck[1] + 2),
        ],
        mix(look.accent, DARK, 0.12),
    )


def _canine_tail(pen: Pen, look: Look, pale: Colour) -> None:
    fur = look.body
    if look.kind == "fox":
        pen.blob([(2, 2), (-10, -3), (-22, -16), (-35, -22), (-41, -14), (-31, -1), (-16, 8), (0, 7)], fur)
        pen.blob([(-30, -20.5), (-36, -22), (-41.5, -14), (-33, -3), (-29, -8), (-32, -12)], pale)
    elif look.kind == "wolf":
        pen.blob([(2, -2), (-10, 3), (-20, 12), (-27, 24), (-18, 22), (-6, 14), (3, 7)], mix(fur, DARK, 0.15))
    else:
        pen.limb(smooth([(2, 2), (-8, -6), (-12, -18), (-7, -27)], closed=False, steps=4), 7, 4, fur)


def _canine_head(pen: Pen, look: Look, pale: Colour) -> None:
    fur = look.body
    dark = mix(fur, DARK, 0.6)
    if look.kind == "dog":
        pen.blob([(-11, 3), (-9, -10), (3, -12), (11, -5), (21, -1), (21, 6), (8, 10), (-6, 10)], fur)
        pen.blob([(8, 1), (20, -1), (21, 6), (8, 9)], pale)
        pen.blob([(-4, -11), (-13, -10), (-17, 4), (-12, 11), (-6, 2)], dark)
        pen.oval(20.5, 0.5, 2.6, 2.2, DARK)
    else:
        for x, ink in ((-6.5, mix(fur, DARK, 0.3)), (3.5, fur)):
            pen.polygon([(x - 6, -6), (x - 1.5, -25), (x + 6, -9)], ink)
            if ink is fur:
                pen.polygon([(x - 2.6, -9), (x - 0.8, -20), (x + 3.4, -10)], dark)
        pen.blob([(-13, 4), (-12, -8), (-2, -12.5), (8, -9), (14, -1), (24, 4.5), (22, 7.5), (8, 10), (-4, 11)], fur)
        pen.blob([(-10, 5), (0, 3), (10, 3.5), (22, 6.4), (9, 10.5), (-4, 11.5)], pale)
        pen.oval(23, 4.8, 2.6, 2.2, DARK)
    pen.oval(6.5, -2.5, 1.9, 2.1, DARK)


def cat(pen: Pen, look: Look, pose: Pose) -> None:
    fur, shade = look.body, mix(look.body, DARK, 0.25)
    pale = mix(fur, WHITE, 0.5)
    if pose.seated:
        pen.limb(smooth([(-12, -4), (-26, -5), (-31, -15), (-25, -24)], closed=False, steps=4), 6, 4.5, shade)
        pen.blob([(-16, 0), (-19, -12), (-11, -28), (-1, -36), (8, -33), (11, -14), (10, 0)], fur)
        pen.blob([(2, -33), (9, -31), (9, -16), (4, -14)], pale)
        for x, ink in ((2, shade), (7.5, fur)):
            pen.limb([(x, -16), (x + 0.5, -2.5)], 5.5, 5, ink)
            pen.oval(x + 1.5, -2, 3.8, 2.2, ink)
        head = (5.0, -44.0)
    else:
        pen.limb(smooth([(-22, -24), (-32, -30), (-33, -44), (-27, -54)], closed=False, steps=4), 5.5, 4.5, shade)
        for x, lean, ink in ((-15, -3, shade), (11, 4, shade), (-19, 3, fur), (8, -3, fur)):
            foot = x + lean * (0.4 + pose.stride)
            pen.limb([(x, -18), (foot, -2.5)], 7, 4.8, ink)
            pen.oval(foot + 1.2, -2, 3.4, 2.2, ink)
        pen.blob([(-25, -22), (-20, -30), (-2, -28), (13, -33), (18, -26), (14, -16), (-4, -15), (-21, -14)], fur)
        head = (18.0, -36.0)
    x, y = head
    for side, ink in ((-6.5, shade), (5, fur)):
        pen.polygon([(x + side - 5.5, y - 5), (x + side - 1, y - 17.5), (x + side + 5, y - 7)], ink)
    pen.oval(x, y, 13, 11, fur)
    pen.oval(x + 6.5, y + 4.6, 5.4, 3.8, pale)
    pen.oval(x + 9, y + 2.6, 1.6, 1.2, (214, 120, 120))
    for dx in (1.6, 8.4):
        pen.oval(x + dx, y - 1.8, 1.6, 2.2, DARK if sum(fur) > 250 else (244, 205, 92))
    pen.limb([(x - 8.5, y + 8.5), (x + 5, y + 10.5)], 4.6, 4.6, look.accent)
    pen.oval(x + 3, y + 13, 2.3, 2.3, (240, 196, 84))


def bear(pen: Pen, look: Look, pose: Pose) -> None:
    """Upright, as bears of picture books stand."""
    fur, shade = look.body, mix(look.body, DARK, 0.22)
    pale = mix(fur, WHITE, 0.42)
    for x, ink in ((-12, shade), (12, fur)):
        foot = x + 3 * pose.stride * (1 if x > 0 else -1)
        pen.limb([(x, -28), (foot, -6)], 21, 18, ink)
        pen.oval(foot + 3, -4.5, 11.5, 5, ink)
    pen.limb(smooth([(-19, -62), (-29, -48), (-29, -34)], closed=False, steps=3), 16, 14, shade)
    pen.blob([(-22, -20), (-28, -42), (-20, -68), (0, -76), (20, -68), (28, -42), (22, -20), (0, -13)], fur)
    pen.blob([(-8, -22), (-10, -42), (4, -58), (19, -44), (17, -22)], pale)
    arm = [(18, -62), (33, -60), (40, -72)] if pose.raised else [(18, -62), (28, -48), (30, -34)]
    pen.limb(smooth(arm, closed=False, steps=3), 16, 13, mix(fur, DARK, 0.1))
    for x, ink in ((-13, shade), (13, fur)):
        pen.oval(x, -104, 7.5, 7.5, ink)
        pen.oval(x, -104, 4, 4, pale)
    pen.oval(0, -90, 22, 19, fur)
    pen.oval(11, -84, 11.5, 8.8, pale)
    pen.oval(17, -88, 4, 3, DARK)
    for x in (2, 14):
        pen.oval(x, -95, 1.9, 2.3, DARK)
    pen.limb(smooth([(-19, -74), (0, -68), (19, -73)], closed=False, steps=4), 8.5, 8.5, look.accent)
    pen.blob([(-15, -76), (-29, -69), (-34, -59), (-25, -58), (-13, -68)], mix(look.accent, DARK, 0.12))


def rabbit(pen: Pen, look: Look, pose: Pose) -> None:
    """Upright; a mouse is a rabbit with round ears and a long tail."""
    fur, shade = look.body, mix(look.body, DARK, 0.2)
    pale = mix(fur, WHITE, 0.65)
    pink = mix(fur, (236, 140, 140), 0.5)
    if look.kind == "mouse":
        pen.limb(smooth([(-10, -6), (-26, -3), (-35, -12), (-44, -8)], closed=False, steps=4), 3.4, 1.8, pink)
    else:
        pen.oval(-15, -10, 6, 6, WHITE)
    for x, ink in ((-6, shade), (6, fur)):
        pen.oval(x + 3 + 2 * pose.stride, -2.6, 8.5, 3.4, ink)
    pen.blob([(-13, -4), (-15, -18), (-8, -33), (4, -35), (12, -22), (12, -5), (0, -1.5)], fur)
    pen.blob([(-2, -6), (-1, -20), (6, -27), (11, -18), (10, -6)], pale)
    arm = [(5, -29), (13, -30), (18, -36)] if pose.raised else [(5, -28), (12, -23), (15, -18)]
    pen.limb(arm, 5.5, 4.6, shade)
    if look.kind == "mouse":
        for x, ink in ((-9, shade), (7, fur)):
            pen.oval(x, -57, 9.5, 9.5, ink)
            pen.oval(x + 0.5, -57, 6, 6, pink)
    else:
        for x, turn, ink in ((-3, -16, shade), (4, 5, fur)):
            ear = pen.at(x, -54, turn=turn)
            ear.blob([(-4, 2), (-5.5, -14), (-1, -28), (4, -15), (4, 2)], ink)
            ear.blob([(-1.6, 0), (-2.6, -12), (-0.5, -22), (2, -13), (2, 0)], pink)
    pen.oval(2, -45, 14, 12.5, fur)
    pen.oval(9, -41, 6.4, 5, pale)
    pen.oval(13.2, -43.6, 1.8, 1.4, (200, 96, 96))
    pen.oval(6.5, -47.5, 1.8, 2.2, DARK)
    pen.limb([(-9, -35), (0, -32), (9, -33.5)], 5.2, 5.2, look.accent)
    pen.blob([(-8, -36), (-17, -31), (-19, -25), (-13, -25), (-6, -32)], mix(look.accent, DARK, 0.12))


def hoofed(pen: Pen, look: Look, pose: Pose) -> None:
    """A horse, or a deer with its antlers."""
    fur, shade = look.body, mix(look.body, DARK, 0.25)
    deer = look.kind == "deer"
    hoof = mix(fur, DARK, 0.7)
    mane = mix(fur, DARK, 0.55) if sum(fur) < 500 else mix(fur, (190, 140, 90), 0.5)
    wide = 7.0 if deer else 9.5
    if deer:
        pen.blob([(-33, -58), (-39, -54), (-38, -47), (-31, -52)], WHITE)
    else:
        pen.blob([(-34, -68), (-45, -62), (-50, -40), (-45, -26), (-40, -44), (-32, -56)], mane)
    for x, lean, back in ((-24, -4, True), (21, 6, True), (-29, 4, False), (17, -3, False)):
        foot = x + lean * (0.4 + 1.3 * pose.stride)
        ink = shade if back else fur
        pen.limb([(x, -48), (x + lean * 0.5 + 1, -24), (foot, -4)], wide * 1.5, wide * 0.55, ink)
        pen.polygon([(foot - 3.4, -7), (foot + 3, -7), (foot + 5.5, 0.3), (foot - 4, 0.3)], hoof)
    pen.blob(
        [(-37, -58), (-30, -71), (-6, -67), (18, -73), (29, -66), (28, -48), (12, -41), (-12, -44), (-31, -43)], fur
    )
    pen.blob([(12, -68), (25, -96), (37, -104), (40, -90), (33, -72), (28, -54)], fur)
    if not deer:
        pen.blob([(10, -68), (18, -90), (30, -108), (34, -105), (27, -88), (20, -68)], mane)
    head = pen.at(37, -98, turn=16)
    head.polygon([(-6, -7), (-7, -19), (-1, -9)], shade)
    head.polygon([(-2, -8), (-1, -20), (4, -9)], fur)
    head.blob([(-9, 2), (-6, -9), (5, -9), (20, -2), (25, 4), (21, 9), (6, 7), (-5, 9)], fur)
    head.oval(21.5, 4.5, 4.5, 4.4, mix(fur, DARK if not deer else WHITE, 0.35))
    head.oval(5, -3, 1.9, 2.1, DARK)
    if deer:
        horn = mix((214, 178, 128), DARK, 0.15)
        for x, lean in ((-4, -6), (1, 7)):
            head.limb(
                smooth([(x, -9), (x + lean - 4, -22), (x + lean + 4, -34), (x + lean + 2, -42)], closed=False, steps=4),
                3.4,
                1.8,
                horn,
            )
            head.limb([(x + lean - 2, -21), (x + lean + 8, -25)], 2.4, 1.5, horn)
            head.limb([(x + lean + 3, -31), (x + lean + 11, -36)], 2.2, 1.4, horn)
        for x, y in ((-22, -60), (-14, -63), (-18, -54), (-8, -58)):
            pen.oval(x, y, 1.7, 1.7, mix(fur, CREAM, 0.6))
    pen.limb([(17, -75), (25, -66), (33, -68)], 7, 7, look.accent)
    pen.blob([(18, -78), (6, -72), (2, -62), (9, -61), (19, -71)], mix(look.accent, DARK, 0.12))
