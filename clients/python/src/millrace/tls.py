"""Trust between a client and its servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import grpc

from millrace.errors import UsageError

_BEGIN: Final = b"-----BEGIN "


@dataclass(frozen=True)
class Tls:
    """TLS to the servers. All PEM, as bytes; with a certificate and key of the client's own it is mutual.

    Raises UsageError when a field holds no PEM, or one of certificate and key is given without the other.
    """

    #: Certificate of the authority that signed the servers'; None: the system's authorities.
    root_certificates: bytes | None = None
    #: The client's own certificate chain, for servers that ask for one (`serve --tls-client-ca`).
    certificate: bytes | None = None
    private_key: bytes | None = None

    def __post_init__(self) -> None:
        # gRPC ends the process when it gets half a pair.
        if (self.certificate is None) != (self.private_key is None):
            raise UsageError("tls", "certificate and private_key go together: give both, or neither")
        for name in ("root_certificates", "certificate", "private_key"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, bytes) and _BEGIN in value):
                raise UsageError(f"tls.{name}", "expected the content of a PEM file as bytes: Path(…).read_bytes()")

    def credentials(self) -> grpc.ChannelCredentials:
        """What gRPC makes channels with."""
        return grpc.ssl_channel_credentials(self.root_certificates, self.private_key, self.certificate)


#: What gRPC says of a handshake that no other try mends, and what to do about it.
_REFUSALS: Final = {
    "CERTIFICATE_VERIFY_FAILED": "its certificate is not vouched for by the authorities trusted here; pass that of the one that "
    "signed it as Tls(root_certificates=…)",
    "Hostname Verification Check failed": "its certificate is for another name than it was called by; use a name that the "
    "certificate has",
    "WRONG_VERSION_NUMBER": "it speaks no TLS; leave tls out, or start it with --tls-cert and --tls-key",
    "Failed to create security handshaker": "what was passed is no certificate or key that can be used",
}

#: What gRPC says of a connection that the server dropped as soon as it was there.
_DROPPED: Final = ("Socket closed", "Connection reset", "Broken pipe", "Unwrap failed")


def refusal_of(details: str) -> str | None:
    """Why a connection can never be had with this `tls`, out of the details of a failed call; None: that is not it."""
    return next((f"{advice} ({details})" for sign, advice in _REFUSALS.items() if sign in details), None)


def hint_of(details: str, tls: Tls | None) -> str:
    """What may be wrong, for people, when a server drops connections: it does not say why. Empty: nothing of that kind."""
    if "failed to connect" not in details or not any(sign in details for sign in _DROPPED):
        return ""
    if tls is None:
        return "; if it was started with --tls-cert, pass tls=Tls(…)"
    if tls.certificate is None:
        return (
            "; if it was started with --tls-client-ca, pass a client's certificate: Tls(certificate=…, private_key=…)"
        )
    return "; its --tls-client-ca may not be the authority that signed the client's certificate"
