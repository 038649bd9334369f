"""Second factors, and the codes that an authenticator app would show."""

import time

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

from apps.accounts.services.second_factor import make_secret, turn_on_second_factor

STEP_SECONDS = 30


def compute_code(secret, steps=0):
    """The code of RFC 6238 at the present step, or so many steps later."""
    counter = int(time.time()) // STEP_SECONDS + steps
    return format_hotp_value(hotp_value(secret, counter))


def equip(user, clock):
    """The secret and the recovery codes of a user who set up the second factor before."""
    secret = make_secret()
    codes = turn_on_second_factor(user=user, secret=secret, code=compute_code(secret))
    clock.shift(2 * STEP_SECONDS)
    return secret, codes
