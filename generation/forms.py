"""What people type to have pictures made."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict
from uuid import uuid4

from django import forms
from django.conf import settings
from django.db.models import Exists, OuterRef
from django.http import QueryDict

from accounts.models import User
from gallery.forms import ScenesField
from gallery.models import SCENE_LENGTH, Character, Story
from generation.generate import GenerateRefused, KeyReused

PICTURES_OF_EACH = 8
SIZES = {
    "square": ("Square, 1024 × 1024", 1024, 1024),
    "landscape": ("Landscape, 1216 × 832", 1216, 832),
    "portrait": ("Portrait, 832 × 1216", 832, 1216),
}
# The form asks for a size where what it becomes has two sides.
FIELDS = {"width": "size", "height": "size", "prompt": "scenes"}


class Options(TypedDict):
    quantity: int
    width: int
    height: int
    provider: str


class OptionsForm(forms.Form):
    """How pictures are made: beside a new story, and part of the form for more scenes."""

    quantity = forms.IntegerField(
        label="Pictures of each",
        min_value=1,
        max_value=PICTURES_OF_EACH,
        initial=1,
        required=False,
        error_messages={"invalid": f"Choose a whole number from 1 to {PICTURES_OF_EACH}."},
    )
    size = forms.ChoiceField(
        choices=[(name, label) for name, (label, *_) in SIZES.items()], initial="square", required=False
    )
    provider = forms.ChoiceField(label="Drawn by", required=False)

    def __init__(self, data: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(data, label_suffix="", **kwargs)
        providers = list(settings.GENERATION_PROVIDERS)
        if len(providers) > 1:
            provider = self.fields["provider"]
            assert isinstance(provider, forms.ChoiceField)
            provider.choices = [(name, name.capitalize()) for name in providers]
            provider.initial = settings.IMAGE_PROVIDER
        else:
            del self.fields["provider"]

    def options(self) -> Options:
        """What was chosen; where a field was left out or empty, what a new form shows."""
        _, width, height = SIZES[self.cleaned_data["size"] or "square"]
        return {
            "quantity": self.cleaned_data["quantity"] or 1,
            "width": width,
            "height": height,
            "provider": self.cleaned_data.get("provider") or settings.IMAGE_PROVIDER,
        }


class GenerateForm(OptionsForm):
    """More scenes for a story, or scenes of a character for the library."""

    scenes = ScenesField(
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text="One scene a line. Each becomes a picture of its own.",
    )
    characters = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Who is in them",
        help_text="A scene that names somebody shows them; one that names nobody shows all of these.",
        error_messages={"invalid_choice": "Choose among your own characters."},
    )
    idempotency_key = forms.CharField(required=False, widget=forms.HiddenInput)

    field_order = ["scenes", "characters", "quantity", "size", "provider", "idempotency_key"]

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, owner: User, story: Story | None, **kwargs: Any
    ) -> None:
        """For the library where `story` is None: who is in the scenes is then settled by the page."""
        # A fresh key each time the form is shown: sent twice, it still makes one job.
        super().__init__(data, initial={"idempotency_key": fresh_key()}, **kwargs)
        if story is None:
            del self.fields["characters"]
        else:
            self._offer_characters(owner, story)

    def _offer_characters(self, owner: User, story: Story) -> None:
        in_story = Exists(story.scenes.filter(cast=OuterRef("pk")))
        found = Character.objects.visible_to(owner).annotate(is_in_story=in_story).order_by("name")
        self._offered = {character.slug: character for character in found}
        field = self.fields["characters"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(slug, character.name) for slug, character in self._offered.items()]
        field.initial = [slug for slug, character in self._offered.items() if character.is_in_story]
        if not self._offered:
            del self.fields["characters"]

    def cast(self) -> tuple[Character, ...]:
        return tuple(self._offered[slug] for slug in self.cleaned_data.get("characters", ()))


class SceneTextForm(forms.Form):
    """Other words for a scene whose own were refused."""

    text = forms.CharField(
        label="What the picture shows",
        max_length=SCENE_LENGTH,
        widget=forms.Textarea(attrs={"rows": 5}),
        error_messages={"required": "Say what the picture shows."},
    )

    def __init__(self, data: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(data, label_suffix="", **kwargs)


def fresh_key() -> str:
    return str(uuid4())


def show_refusal(refused: GenerateRefused, forms_shown: Sequence[forms.Form]) -> None:
    """Put each sentence on the field it names, in the form that has it; what no field fits stands on top."""
    if isinstance(refused, KeyReused):
        # Sent before, gone back to and changed: what the person wants is a second job.
        refused = GenerateRefused({"": "You have sent this form before. Press Generate again for these, too."})
        _renew_key(forms_shown[0])
    for name, sentence in refused.fields.items():
        field = FIELDS.get(name, name)
        form = next((form for form in forms_shown if field in form.fields), None)
        (form or forms_shown[0]).add_error(field if form else None, sentence)


def _renew_key(form: forms.Form) -> None:
    form.data = QueryDict.copy(form.data) if isinstance(form.data, QueryDict) else {**form.data}
    form.data["idempotency_key"] = fresh_key()
