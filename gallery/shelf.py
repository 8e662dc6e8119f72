"""What pages show of stories, scenes and characters, each in a fixed number of queries."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from django.db.models import Count, F, Func, IntegerField, OuterRef, Prefetch, Q, QuerySet, Subquery

from gallery.models import Character, Image, ImageQuerySet, Row, Scene, Story
from gallery.prompts import compose

PAGE = 60


def counted(count: int, noun: str) -> str:
    """`1 scene`, `1,200 scenes`, `no stories`."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}" if count else f"no {plural}"


def page_after(rows: QuerySet[Row], after: UUID | None, *, size: int = PAGE) -> tuple[list[Row], UUID | None]:
    """Up to `size` rows, newest first, behind the row `after`; and the row behind which the next page begins.

    The place is compared inside the database: SQLite keeps times as text, in which a time that went through
    Python is no longer equal to itself.
    """
    rows = rows.order_by("-created_at", "-id")
    if after is not None:
        moment = Subquery(rows.model._default_manager.filter(pk=after).values("created_at"))
        rows = rows.filter(Q(created_at__lt=moment) | Q(created_at=moment, pk__lt=after))
    found = list(rows[: size + 1])
    return found[:size], found[size - 1].pk if len(found) > size else None


# ---- stories as books ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """A story on the shelf, with the picture of its first scene that has one."""

    story: Story
    image: Image | None
    scenes: int
    pictures: int

    @property
    def counts(self) -> str:
        if self.pictures == self.scenes:
            return counted(self.pictures, "picture")
        return f"{self.pictures:,} of {counted(self.scenes, 'picture')}"


def with_cover(stories: QuerySet[Story]) -> QuerySet[Story]:
    """Each story with what `books` needs, in the query that fetches it."""
    scenes = Scene.objects.filter(story=OuterRef("pk"))
    chosen = Image.objects.chosen().filter(scene__story=OuterRef("pk"))
    return stories.annotate(
        cover_id=Subquery(chosen.order_by("scene__position").values("pk")[:1]),
        scene_count=_count(scenes),
        picture_count=_count(chosen),
    )


def books(stories: Iterable[Story]) -> list[Book]:
    """One query for all covers. The stories come from `with_cover`."""
    found = list(stories)
    covers = Image.objects.in_bulk([cover for story in found if (cover := getattr(story, "cover_id", None))])
    return [
        Book(
            story=story,
            image=covers.get(getattr(story, "cover_id", None)),
            scenes=getattr(story, "scene_count", 0),
            pictures=getattr(story, "picture_count", 0),
        )
        for story in found
    ]


def _count(rows: QuerySet[Row]) -> Subquery:
    """How many of `rows` there are, without the GROUP BY that Count would bring into a subquery."""
    count = Func(F("pk"), function="COUNT", output_field=IntegerField())
    return Subquery(rows.order_by().annotate(count=count).values("count"))


# ---- the scenes of one story -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One scene of a story as its page shows it; `image` is its chosen picture."""

    scene: Scene
    image: Image | None
    cast: tuple[Character, ...]
    takes: int
    stale: bool


@dataclass(frozen=True)
class Leaves:
    """All scenes of a story in its order."""

    story: Story
    all: list[Leaf]

    @cached_property
    def pictures(self) -> list[Image]:
        return [leaf.image for leaf in self.all if leaf.image and not leaf.image.missing_since]

    @property
    def bytes(self) -> int:
        return sum(image.bytes for image in self.pictures)

    @property
    def counts(self) -> str:
        """`24 scenes, 61 takes`, or `10 scenes, 7 of them with a picture`."""
        scenes, takes = counted(len(self.all), "scene"), sum(leaf.takes for leaf in self.all)
        with_picture = sum(leaf.image is not None for leaf in self.all)
        if with_picture < len(self.all):
            return f"{scenes}, {with_picture or 'none'} of them with a picture"
        return f"{scenes}, {counted(takes, 'take')}" if takes > with_picture else scenes

    @cached_property
    def characters(self) -> list[Character]:
        """Everybody who appears, those with most scenes first."""
        seen: Counter[Character] = Counter(character for leaf in self.all for character in leaf.cast)
        return [character for character, _ in seen.most_common()]

    @cached_property
    def stale(self) -> list[Leaf]:
        return [leaf for leaf in self.all if leaf.stale]

    def of(self, character: Character) -> list[Leaf]:
        return [leaf for leaf in self.all if character in leaf.cast]


def leaves(story: Story) -> Leaves:
    """Three queries: scenes, their chosen pictures, their casts."""
    casts = _casts(story)
    scenes = (
        story.scenes.annotate(takes=Count("images", filter=Q(images__deleted_at=None)))
        .prefetch_related(Prefetch("images", Image.objects.chosen(), to_attr="chosen"))
        .order_by("position")
    )
    return Leaves(story, [_leaf(scene, tuple(casts[scene.pk]), story) for scene in scenes])


def _casts(story: Story) -> dict[UUID, list[Character]]:
    """Who appears in each scene, in the order in which they were named: the prompt names them so, too."""
    appearances = Scene.cast.through.objects.filter(scene__story=story).select_related("character").order_by("pk")
    casts: dict[UUID, list[Character]] = defaultdict(list)
    for appearance in appearances:
        casts[appearance.scene_id].append(appearance.character)
    return casts


def _leaf(scene: Scene, cast: tuple[Character, ...], story: Story) -> Leaf:
    image: Image | None = next(iter(getattr(scene, "chosen", ())), None)
    if image is not None:
        image.scene = scene
    # A picture is stale when the words that would be sent today are not those that were sent for it.
    stale = image is not None and image.prompt != compose(scene.text, cast, story.style)
    return Leaf(scene=scene, image=image, cast=cast, takes=getattr(scene, "takes", 0), stale=stale)


# ---- characters ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    character: Character
    image: Image | None
    pictures: int

    @property
    def counts(self) -> str:
        return counted(self.pictures, "picture")


def with_face(characters: QuerySet[Character]) -> QuerySet[Character]:
    """Each character with what `portraits` needs: their reference picture, else their first chosen one."""
    shown = Image.objects.shown().filter(scene__cast=OuterRef("pk"))
    first = shown.filter(is_chosen=True).order_by("created_at", "pk").values("pk")[:1]
    return characters.annotate(first_id=Subquery(first), picture_count=_count(shown))


def portraits(characters: Iterable[Character]) -> list[Portrait]:
    """One query for all faces. The characters come from `with_face`."""
    found = list(characters)
    faces = {character: character.reference_id or getattr(character, "first_id", None) for character in found}
    images = Image.objects.in_bulk([face for face in faces.values() if face])
    return [
        Portrait(
            character=character,
            image=images.get(face) if face else None,
            pictures=getattr(character, "picture_count", 0),
        )
        for character, face in faces.items()
    ]


def pictures_of(character: Character) -> ImageQuerySet:
    """Every take of every scene that the character is in."""
    return Image.objects.shown().filter(scene__cast=character)


# ---- one picture -----------------------------------------------------------------------------------


def beside(image: Image) -> tuple[Image | None, Image | None]:
    """The chosen pictures of the nearest scenes before and after that have one, in one query."""
    if image.scene.story_id is None:
        return None, None
    chosen = Image.objects.chosen().filter(scene__story=image.scene.story_id).order_by()
    position = image.scene.position
    before = chosen.filter(scene__position__lt=position).order_by("-scene__position").values("pk")[:1]
    after = chosen.filter(scene__position__gt=position).order_by("scene__position").values("pk")[:1]
    found = Image.objects.filter(Q(pk=Subquery(before)) | Q(pk=Subquery(after))).select_related("scene")
    by_side = {neighbour.scene.position > position: neighbour for neighbour in found}
    return by_side.get(False), by_side.get(True)
