"""The step of sign-in after the password, where allauth leaves room for a form."""

from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm
from django import forms

from apps.accounts.lockout_handler import note_lockout
from apps.accounts.services.second_factor import prove_second_factor
from apps.core.errors import Invalid, TooManyRequests


class SecondFactorForm(AuthenticateForm):  # type: ignore[misc]  # allauth ships no types
    """Takes the code of the app or a recovery code, once."""

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        try:
            self.authenticator = prove_second_factor(user=self.user, code=code)
        except Invalid as error:
            message = error.errors[0].detail
            raise forms.ValidationError(f"That {message}.") from error
        except TooManyRequests as error:
            note_lockout(context.request, error.retry_after_seconds)
            raise forms.ValidationError(error.detail) from error
        return code
