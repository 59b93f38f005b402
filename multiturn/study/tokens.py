"""What lets a participant in and nobody else: tokens, withdrawal codes and signatures; what they open is not here."""

import hmac
import secrets
from base64 import b32encode, urlsafe_b64encode
from hashlib import sha256


def new_secret() -> str:
    """A secret that nobody can guess; also a participant's id."""
    return secrets.token_hex(16)


def signed(secret: str, what: str, text: str) -> str:
    """A text that only who knows the secret could have made.

    Args:
        secret: of the study.
        what: the text is for, so that a signature for one thing does not serve another.
    """
    return _digest(secret, what, text).hex()


def is_signed(secret: str, what: str, text: str, signature: str) -> bool:
    """Whether `signed` made the signature."""
    return hmac.compare_digest(signed(secret, what, text).encode(), signature.encode())


def token_for(secret: str, nonce: str) -> str:
    """The token of the participant who agreed on the page with this nonce: a second click makes no second one."""
    return urlsafe_b64encode(_digest(secret, "token", nonce)).decode("ascii").rstrip("=")


def code_of(token: str) -> str:
    """The withdrawal code that goes with a token: 16 letters and digits, 80 bits.

    Example:
        >>> code_of("a token")
        'AWIZ-VPM5-CZXS-UXTG'
    """
    letters = b32encode(_digest(token, "withdrawal", "")[:10]).decode("ascii")
    return "-".join(letters[place : place + 4] for place in range(0, len(letters), 4))


def typed_code(text: str) -> str:
    """A withdrawal code as `code_of` writes it, however it was typed.

    Example:
        >>> typed_code(" awiz vpm5czxs-uxtg")
        'AWIZ-VPM5-CZXS-UXTG'
    """
    letters = "".join(text.split()).replace("-", "").upper()
    return "-".join(letters[place : place + 4] for place in range(0, len(letters), 4))


def kept(token_or_code: str) -> str:
    """What a database keeps of a token or code: it can be recognised, not read."""
    return sha256(token_or_code.encode("utf-8")).hexdigest()


def _digest(secret: str, what: str, text: str) -> bytes:
    return hmac.new(secret.encode("utf-8"), f"{what}\n{text}".encode(), sha256).digest()
