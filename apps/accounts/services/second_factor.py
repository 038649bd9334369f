"""The second factor: codes of an authenticator app (RFC 6238), and recovery codes for its loss."""

import hashlib
import hmac
import secrets

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.conf import settings

from apps.accounts.actors import read_actor
from apps.accounts.models import User
from apps.accounts.sealing import open_text, seal_text
from apps.accounts.services.audit import audited, record_audit
from apps.accounts.services.bearers import revoke_refresh_tokens
from apps.accounts.services.lockout import count_failure, require_unlocked
from apps.accounts.services.passwords import prove_password
from apps.core.errors import Conflict, FieldError, Invalid

RECOVERY_CODES = 10
# Without letters and digits that look alike, because people type them; 50 bits each.
CODE_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
CODE_LENGTH = 10
NO_COUNTER = -1


def make_secret() -> str:
    """A fresh secret in base32, for an authenticator app to take over."""
    return str(generate_totp_secret())


def match_counter(secret: str, code: str) -> int | None:
    """The time step whose code this is, of the present one and its neighbours; None when none."""
    given = "".join(code.split()).encode()
    for counter in yield_hotp_counters_from_time():
        if hmac.compare_digest(format_hotp_value(hotp_value(secret, counter)).encode(), given):
            return int(counter)
    return None


def turn_on_second_factor(*, user: User, secret: str, code: str) -> list[str]:
    """The recovery codes, which are never to be had again; the app's secret is kept from now on.

    All JWTs of the user end.
    Raises: Invalid for a code that is not the app's, Conflict when there is a second factor,
    TooManyRequests after too many wrong codes from this address.
    """
    who = {"username": user.get_username(), "address": read_actor().address}
    require_unlocked(**who)
    counter = match_counter(secret, code)
    if counter is None:
        raise count_failure(refuse_code(), **who)
    with audited():
        lock_user(user)
        if Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists():
            raise Conflict("second_factor_exists", "There is a second factor already.")
        # The code that proves the app is used up by that.
        document = {"secret": seal_text(secret), "last_counter": counter}
        Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data=document)
        codes = replace_recovery_codes(user)
        # They were had without the second factor.
        revoke_refresh_tokens(user=user)
        record_audit(action="turn on second factor", target=user)
    return codes


def lock_user(user: User) -> None:
    User.objects.select_for_update().get(pk=user.pk)


def refuse_code() -> Invalid:
    sentence = "is neither the code of right now nor an unused recovery code"
    return Invalid([FieldError("code", "wrong", sentence)])


def replace_recovery_codes(user: User) -> list[str]:
    codes = [make_recovery_code() for _ in range(RECOVERY_CODES)]
    kind = Authenticator.Type.RECOVERY_CODES
    Authenticator.objects.filter(user=user, type=kind).delete()
    digests = [digest_code(code) for code in codes]
    Authenticator.objects.create(user=user, type=kind, data={"digests": digests})
    return codes


def make_recovery_code() -> str:
    text = "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))
    return f"{text[: CODE_LENGTH // 2]}-{text[CODE_LENGTH // 2 :]}"


def digest_code(code: str) -> str:
    """Keyed, so that the database alone is not enough to try codes against."""
    plain = "".join(letter for letter in code.upper() if letter.isalnum())
    key = hashlib.sha256(b"recovery code:" + settings.SECRET_KEY.encode()).digest()
    return hmac.new(key, plain.encode(), hashlib.sha256).hexdigest()


def prove_second_factor(*, user: User, code: str) -> Authenticator:
    """The authenticator whose code this is; the code is used up.

    Raises: Invalid for a wrong or used code, TooManyRequests after too many from this address.
    """
    who = {"username": user.get_username(), "address": read_actor().address}
    require_unlocked(**who)
    authenticator = take_code(user=user, code=code)
    if authenticator is None:
        record_audit(action="fail to sign in", target=user, after={"step": "second factor"})
        raise count_failure(refuse_code(), **who)
    return authenticator


@audited()
def take_code(*, user: User, code: str) -> Authenticator | None:
    """The authenticator whose unused code this is, which it never takes again; else None."""
    for authenticator in Authenticator.objects.select_for_update().filter(user=user):
        if authenticator.type == Authenticator.Type.TOTP:
            is_taken = take_app_code(authenticator, code)
        else:
            is_taken = take_recovery_code(authenticator, code)
        if is_taken:
            return authenticator
    return None


def take_app_code(authenticator: Authenticator, code: str) -> bool:
    counter = match_counter(open_text(authenticator.data["secret"]), code)
    if counter is None or counter <= authenticator.data.get("last_counter", NO_COUNTER):
        return False
    authenticator.data["last_counter"] = counter
    authenticator.save(update_fields=["data"])
    return True


def take_recovery_code(authenticator: Authenticator, code: str) -> bool:
    digests = authenticator.data.get("digests", [])
    digest = digest_code(code)
    if digest not in digests:
        return False
    digests.remove(digest)
    authenticator.save(update_fields=["data"])
    record_audit(
        action="use recovery code", target=authenticator.user, after={"codes_left": len(digests)}
    )
    return True


def make_recovery_codes(*, user: User, current_password: str) -> list[str]:
    """Fresh recovery codes; the earlier ones are worth nothing any more.

    Raises: Invalid and TooManyRequests as `prove_password`, Conflict without a second factor.
    """
    prove_password(user=user, password=current_password)
    with audited():
        lock_user(user)
        require_authenticator(user)
        codes = replace_recovery_codes(user)
        record_audit(action="make recovery codes", target=user)
    return codes


def turn_off_second_factor(*, user: User, current_password: str) -> None:
    """Forget the authenticator app and the recovery codes.

    Raises: as `make_recovery_codes`.
    """
    prove_password(user=user, password=current_password)
    with audited():
        lock_user(user)
        require_authenticator(user)
        Authenticator.objects.filter(user=user).delete()
        record_audit(action="turn off second factor", target=user)


def require_authenticator(user: User) -> None:
    if not Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists():
        raise Conflict("second_factor_missing", "There is no second factor.")
