"""What people type about stories and characters."""

from collections.abc import Mapping
from typing import Any, Self
from uuid import uuid4

from django import forms
from django.core.exceptions import ValidationError

from accounts.models import User
from gallery.models import STYLE_LENGTH, TITLE_LENGTH, Character, Scene, Story
from gallery.sample import SAMPLE_CHARACTER, SAMPLE_SCENES, SAMPLE_STYLE, SAMPLE_TITLE


class ScenesField(forms.CharField):
    """Scenes, one a line. Blank lines and lines that begin with # are skipped; gives a list of texts."""

    widget = forms.Textarea(attrs={"class": "lines", "rows": 11, "spellcheck": "true"})

    def to_python(self, value: Any) -> Any:
        return list(_scenes(super().to_python(value) or ""))

    def validate(self, value: Any) -> None:
        if not value:
            raise ValidationError("Write at least one scene, one a line.", code="required")
        if fault := Scene.fault_in_number(len(value)):
            raise ValidationError(fault, code="too_many")


def _scenes(text: str) -> list[str]:
    """Errors name the line as the person counts it, skipped lines included."""
    scenes = []
    for number, line in enumerate(text.splitlines(), start=1):
        scene = line.strip()
        if not scene or scene.startswith("#"):
            continue
        if fault := Scene.fault_in(scene):
            raise ValidationError(f"Line {number} {fault}", code="invalid")
        scenes.append(scene)
    return scenes


class StoryForm(forms.Form):
    """A new story with its scenes. `cleaned_data["scenes"]` is a list of texts."""

    title = forms.CharField(
        max_length=TITLE_LENGTH,
        error_messages={"required": "Give the story a title."},
    )
    characters = forms.ModelMultipleChoiceField(
        queryset=Character.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="A scene that names somebody shows them; one that names nobody shows all of these.",
        error_messages={"invalid_choice": "Choose among your own characters."},
    )
    style = forms.CharField(
        max_length=STYLE_LENGTH,
        required=False,
        help_text="Said at the end of every prompt. Without one, the first character's style is used.",
    )
    scenes = ScenesField(help_text="One scene a line. Each becomes one picture, in this order.")
    sample_character = forms.BooleanField(required=False, label=SAMPLE_CHARACTER[0])
    idempotency_key = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        owner: User,
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        # A fresh key each time the empty form is shown: sent twice, it still makes one job.
        super().__init__(data, initial={"idempotency_key": str(uuid4()), **(initial or {})}, label_suffix="")
        characters = self.fields["characters"]
        assert isinstance(characters, forms.ModelMultipleChoiceField)
        characters.queryset = Character.objects.visible_to(owner).order_by("name")
        self.owner = owner

    @classmethod
    def of_the_sample(cls, owner: User) -> Self:
        """The form with the sample story in it, and its character: the person's own, else one to be made."""
        name, _ = SAMPLE_CHARACTER
        own = Character.objects.visible_to(owner).filter(name=name).order_by("created_at").first()
        initial: dict[str, Any] = {
            "title": SAMPLE_TITLE,
            "style": SAMPLE_STYLE,
            "scenes": "\n".join(SAMPLE_SCENES),
            "characters": [own.pk] if own else [],
            "sample_character": own is None,
        }
        return cls(owner=owner, initial=initial)

    def clean(self) -> dict[str, Any]:
        """The sample's character is made with the first story that wants it, and only by a form without errors."""
        given = super().clean() or self.cleaned_data
        if given.get("sample_character") and not self.errors:
            name, appearance = SAMPLE_CHARACTER
            character, _ = Character.objects.get_or_create(
                owner=self.owner, name=name, defaults={"appearance": appearance}
            )
            chosen = [character.pk, *(other.pk for other in given["characters"])]
            given["characters"] = Character.objects.visible_to(self.owner).filter(pk__in=chosen)
        return given


class CharacterForm(forms.ModelForm[Character]):
    class Meta:
        model = Character
        fields = ["name", "appearance", "style", "seed", "embedding", "embedding_weight"]
        help_texts = {
            "appearance": "What every picture should show of them: age, hair, clothes, colours.",
            "style": "Used where a story has no style of its own.",
            "seed": "The same number gives the same picture again. Empty: a random one for each job.",
            "embedding": "The name of a ComfyUI embedding.",
            "embedding_weight": "From 0 to 2; 1 is its full strength.",
        }
        widgets = {"appearance": forms.Textarea(attrs={"rows": 4})}
        error_messages = {"name": {"required": "Give the character a name."}}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.fields["embedding_weight"].label = "Weight"

    def asked_for_more(self) -> bool:
        """Whether the fields under "More" hold something, so that they are shown open."""
        return any(self[name].errors or self[name].value() for name in ("seed", "embedding"))


class StoryEditForm(forms.ModelForm[Story]):
    class Meta:
        model = Story
        fields = ["title", "style"]
        help_texts = {"style": "Said at the end of every prompt from now on. Pictures you have stay."}
        error_messages = {"title": {"required": "Give the story a title."}}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
