"""What people type about their tokens."""

from collections.abc import Mapping
from typing import Any

from django import forms

from accounts.models import TOKEN_NAME_LENGTH


class TokenForm(forms.Form):
    name = forms.CharField(
        max_length=TOKEN_NAME_LENGTH,
        help_text="What it is for, such as “Nightly script”.",
        error_messages={
            "required": "Give the token a name.",
            "max_length": "Up to %(limit_value)d characters fit in a name; this has %(show_value)d.",
        },
        # A browser would offer the names of other forms.
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    # The newest token when the form was shown. The page always writes the current one, whatever was sent.
    newest = forms.IntegerField(
        min_value=0,
        widget=forms.HiddenInput,
        error_messages=dict.fromkeys(("required", "invalid", "min_value"), "Please send the form again."),
    )

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, label_suffix="")
