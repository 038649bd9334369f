"""What our forms have in common: their look, and errors of services at the fields."""

from typing import Any

from django import forms

from apps.core.errors import Invalid, StreamSwarmError

CSS_CLASSES: dict[type[forms.Widget], str] = {
    forms.CheckboxInput: "form-check-input",
    forms.CheckboxSelectMultiple: "form-check-input",
    forms.Select: "form-select",
}


class PageForm(forms.Form):
    """A form in the look of the pages."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            style_field(field)

    def field_name(self, name: str) -> str:
        """The form's name of a service's field; a form with other names overrides it."""
        return name

    def take_errors(self, error: StreamSwarmError) -> None:
        """Show a service's refusal at the fields it names, else above the form."""
        if isinstance(error, Invalid):
            problems = [(item.field, item.detail) for item in error.errors]
        else:
            problems = [(str(error.data.get("field", "")), error.detail)]
        for name, detail in problems:
            own_name = self.field_name(name)
            sentence = detail[:1].upper() + detail[1:]
            self.add_error(own_name if own_name in self.fields else None, sentence)


def style_field(field: forms.Field) -> None:
    css_class = CSS_CLASSES.get(type(field.widget), "form-control")
    field.widget.attrs.setdefault("class", css_class)
