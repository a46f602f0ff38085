"""TLS: the context that ``tls-port`` listens with, made of the directives that begin with ``tls-``."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from dscache.errors import ConfigError

if TYPE_CHECKING:
    from dscache.config import Config

#: The directives that a context is made of: after a change of one there is a new context.
DIRECTIVES: Final = (
    "tls-cert-file",
    "tls-key-file",
    "tls-key-file-pass",
    "tls-ca-cert-file",
    "tls-ca-cert-dir",
    "tls-auth-clients",
    "tls-protocols",
    "tls-ciphers",
)

_CLIENTS: Final = {
    "yes": ssl.CERT_REQUIRED,
    "optional": ssl.CERT_OPTIONAL,
    "no": ssl.CERT_NONE,
}

# Older versions are not offered: they are broken, and OpenSSL 3 refuses them by itself.
_VERSIONS: Final = {
    "tlsv1.2": ssl.TLSVersion.TLSv1_2,
    "tlsv1.3": ssl.TLSVersion.TLSv1_3,
}


def make_context(config: Config) -> ssl.SSLContext:
    """The context for new connections. Raises ConfigError that names the directive."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    versions = _versions(config.tls_protocols)
    context.minimum_version, context.maximum_version = min(versions), max(versions)
    _load_certificate(context, config)
    _load_authorities(context, config)
    if config.tls_ciphers:
        try:
            context.set_ciphers(config.tls_ciphers)
        except ssl.SSLError as error:
            raise ConfigError(
                f"tls-ciphers: OpenSSL knows none of {config.tls_ciphers!r}"
            ) from error
    return context


def _versions(text: str) -> list[ssl.TLSVersion]:
    words = text.lower().split()
    unknown = [word for word in words if word not in _VERSIONS]
    if unknown:
        raise ConfigError(f"tls-protocols: {unknown[0]!r} is neither TLSv1.2 nor TLSv1.3")
    return [_VERSIONS[word] for word in words or _VERSIONS]


def _load_certificate(context: ssl.SSLContext, config: Config) -> None:
    if not config.tls_cert_file or not config.tls_key_file:
        raise ConfigError("tls-port needs tls-cert-file and tls-key-file")
    try:
        # Always a password: without one OpenSSL would ask at the terminal.
        context.load_cert_chain(
            config.tls_cert_file, config.tls_key_file, password=config.tls_key_file_pass
        )
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"tls-cert-file {config.tls_cert_file} with tls-key-file {config.tls_key_file}:"
            f" {_reason(error)}"
        ) from error


def _load_authorities(context: ssl.SSLContext, config: Config) -> None:
    """Whom client certificates must be from."""
    context.verify_mode = _CLIENTS[config.tls_auth_clients]
    file, directory = config.tls_ca_cert_file, config.tls_ca_cert_dir
    if not file and not directory:
        if context.verify_mode != ssl.CERT_NONE:
            raise ConfigError(
                "tls-auth-clients needs tls-ca-cert-file or tls-ca-cert-dir, to check client"
                " certificates against; no asks clients for none"
            )
        return
    try:
        context.load_verify_locations(file or None, directory or None)
    except OSError as error:
        raise ConfigError(f"tls-ca-cert-file {file or directory}: {_reason(error)}") from error


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)
