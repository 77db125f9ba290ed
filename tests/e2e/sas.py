"""Shared access signatures, made here so that the tests do not trust our own code."""

import base64
import hashlib
import hmac
import urllib.parse


def token(uri, name, key, expiry):
    """A token for an audience, signed with a rule's key, that expires at a Unix time."""
    audience = urllib.parse.quote(uri, safe="")
    text = f"{audience}\n{expiry}".encode()
    digest = hmac.new(key.encode(), text, hashlib.sha256).digest()
    signature = urllib.parse.quote(base64.b64encode(digest), safe="")
    return f"SharedAccessSignature sr={audience}&sig={signature}&se={expiry}&skn={name}"
