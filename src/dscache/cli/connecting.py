"""The options of the commands that talk to a server, named as redis-cli's, and the server that they mean."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

import click

if TYPE_CHECKING:
    import ssl

    from dscache.cli.link import Endpoint

_PASSWORD_VARIABLE: Final = "REDISCLI_AUTH"

_Decorated = TypeVar("_Decorated", bound=Callable[..., object])


def connection_options(*database_names: str) -> Callable[[_Decorated], _Decorated]:
    """Give a click command the options that ``endpoint_of`` reads. The database's are named by the caller:
    redis-benchmark has another -n than redis-cli."""

    def decorate(command: _Decorated) -> _Decorated:
        database = _option(
            *database_names, "db", type=int, metavar="DB", text="The database. Default: 0."
        )
        for option in (database, *reversed(_OPTIONS)):
            command = option(command)
        return command

    return decorate


def _keep(context: click.Context, option: click.Parameter, value: object) -> None:
    """Note an option's value where ``endpoint_of`` finds it, so that no command has to hand on all."""
    context.ensure_object(dict)[option.name] = value


def _option(*names: str, text: str, metavar: str = "", **more: object) -> Callable[..., object]:
    given: dict[str, object] = {"help": text, "callback": _keep, "expose_value": False, **more}
    if metavar:
        given["metavar"] = metavar
    return click.option(*names, **given)  # type: ignore[arg-type]  # checked by click, at import


_OPTIONS: Final = (
    _option("-h", "--host", metavar="HOST", text="The server's host. Default: 127.0.0.1."),
    _option("-p", "--port", type=int, metavar="PORT", text="Its port. Default: 6379."),
    _option("-s", "--socket", metavar="PATH", text="Its Unix socket, instead of host and port."),
    _option(
        "-u", "--url", metavar="URL", text="All at once: redis://USER:PASSWORD@HOST:PORT/DB (rediss: TLS)."
    ),
    _option("--user", metavar="NAME", text="Log in as this user. Default: the user default."),
    _option(
        "-a", "--pass", "password", metavar="PASSWORD",
        text=f"Log in. Others can read a command line: better set {_PASSWORD_VARIABLE}.",
    ),
    _option("--askpass", is_flag=True, text="Ask for the password."),
    _option("--tls", is_flag=True, text="Encrypt, and check the server's certificate and its name."),
    _option("--sni", metavar="NAME", text="The name in its certificate, if that is not HOST."),
    _option("--cacert", type=click.Path(), metavar="FILE", text="Whom to trust. Default: as the system."),
    _option("--cacertdir", type=click.Path(), metavar="DIR", text="The same as a directory."),
    _option("--insecure", is_flag=True, text="Encrypt, and trust everybody."),
    _option("--cert", type=click.Path(), metavar="FILE", text="The certificate to log in with."),
    _option("--key", type=click.Path(), metavar="FILE", text="Its private key."),
)  # fmt: skip


def endpoint_of(context: click.Context) -> Endpoint:
    """What the options of ``connection_options`` mean. Raises click.UsageError."""
    from dataclasses import replace

    from dscache.cli.link import Endpoint

    given = context.ensure_object(dict)
    endpoint = Endpoint(password=os.environ.get(_PASSWORD_VARIABLE, ""))
    is_encrypted = bool(given["tls"])
    if given["url"]:
        endpoint, is_encrypted = _from_url(given["url"], endpoint, is_encrypted)
    if given["askpass"]:
        given["password"] = click.prompt("Password", hide_input=True, err=True)
    fields = (
        ("host", "host"), ("port", "port"), ("socket_path", "socket"), ("user", "user"),
        ("password", "password"), ("database", "db"), ("server_name", "sni"),
    )  # fmt: skip
    endpoint = replace(
        endpoint, **{field: given[name] for field, name in fields if given[name] is not None}
    )
    if endpoint.user and not endpoint.password:
        raise click.UsageError(f"--user needs a password: -a, --askpass or {_PASSWORD_VARIABLE}")
    if is_encrypted:
        endpoint = replace(
            endpoint,
            tls=_tls_context(
                given["cacert"], given["cacertdir"], given["cert"], given["key"], given["insecure"]
            ),
        )
    return endpoint


def _from_url(text: str, endpoint: Endpoint, is_encrypted: bool) -> tuple[Endpoint, bool]:
    from dataclasses import replace
    from urllib.parse import unquote, urlsplit

    mistake = click.UsageError(
        "the URL is not of the form redis://USER:PASSWORD@HOST:PORT/DB (or rediss:)"
    )
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise mistake from None
    database = url.path.strip("/") or "0"
    if url.scheme not in {"redis", "rediss"} or not database.isdecimal():
        raise mistake
    # redis-cli takes what stands before @ without a colon for a password.
    user, password = unquote(url.username or ""), url.password
    if user and password is None:
        user, password = "", user
    return (
        replace(
            endpoint,
            host=url.hostname or endpoint.host,
            port=port or endpoint.port,
            user=user,
            password=unquote(password or "") or endpoint.password,
            database=int(database),
        ),
        is_encrypted or url.scheme == "rediss",
    )


def _tls_context(
    authorities: str | None,
    authorities_directory: str | None,
    certificate: str | None,
    key: str | None,
    is_insecure: bool,
) -> ssl.SSLContext:
    import ssl

    try:
        context = ssl.create_default_context(cafile=authorities, capath=authorities_directory)
        if certificate:
            context.load_cert_chain(certificate, key)
    except OSError as error:
        raise click.UsageError(
            f"--cacert, --cacertdir, --cert or --key: {error.strerror or error}"
        ) from error
    if is_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
