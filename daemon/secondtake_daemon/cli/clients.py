"""`secondtake clients`: who may use this daemon over the network, and this user's way to daemons elsewhere."""

from __future__ import annotations

import socket
import sys
from typing import Annotated
from urllib.parse import urlsplit

import typer

from secondtake.endpoint import Endpoint, find_daemon
from secondtake.errors import DaemonLost, NotFound, UsageError
from secondtake.home import Home
from secondtake.keys import OWN_NAME, add_client, named_keys, revoke_client
from secondtake.pairing import CODE_S, join, live_codes, make_code, read_code, withdraw_code
from secondtake_daemon.cli.output import Answer, Output

__all__ = ["app"]

app = typer.Typer(help="Who may use this daemon over the network.", no_args_is_help=True)

_ANYWHERE = ("0.0.0.0", "::", "*")
_HERE = ("127.", "::1", "localhost")
_CODE_CHARACTERS = 1024


class _ClientAnswer(Answer, frozen=True, kw_only=True):
    name: str
    public: str
    """Empty for a code that was not used yet."""


class _ListAnswer(Answer, frozen=True, kw_only=True):
    clients: tuple[_ClientAnswer, ...]
    codes: tuple[str, ...]
    """Names of codes that can still be used."""


class _CodeAnswer(Answer, frozen=True, kw_only=True):
    name: str
    code: str
    seconds: float
    """How long it can be used."""


class _JoinAnswer(Answer, frozen=True, kw_only=True):
    daemon: str
    url: str


@app.command("list")
def list_clients(context: typer.Context) -> None:
    """List the keys that may connect by tcp, and the codes that can still be used."""
    output, home = context.obj, Home.find()
    known = sorted((name, public) for public, name in named_keys(home.config / "clients").items())
    codes = sorted(live_codes(home.config / "pairing").values())
    if known or codes:
        rows = [*known, *((name, "(a code that was not used yet)") for name in codes)]
        output.table(("NAME", "PUBLIC KEY"), rows)
    else:
        output.line("No key may connect.")
    answers = tuple(_ClientAnswer(name=name, public=public) for name, public in known)
    output.answer(_ListAnswer(clients=answers, codes=tuple(codes)))


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What to call the client: small letters, digits, '.', '_' and '-'.")],
    public: Annotated[str, typer.Argument(help="Its public key, from its config/keys/client.key.")],
) -> None:
    """Let a client connect whose public key you have. `pair` does it without handling keys."""
    add_client(Home.find().config / "clients", name=name, public=public)
    _say_client(context.obj, name, public, "may connect now")


@app.command()
def revoke(context: typer.Context, name: Annotated[str, typer.Argument(help="As `list` names it.")]) -> None:
    """Let a client, or a code that was not used yet, in no longer; connections it has end."""
    home = Home.find()
    had_code = withdraw_code(home.config / "pairing", name) if name in _codes(home) else False
    public = next((key for key, known in named_keys(home.config / "clients").items() if known == name), "")
    if public or not had_code:
        revoke_client(home.config / "clients", name=name)
    _say_client(context.obj, name, public, "may not connect any more")


@app.command()
def pair(
    context: typer.Context,
    name: Annotated[str, typer.Option("--name", help="What to call the client.")] = "",
    host: Annotated[str, typer.Option("--host", help="This machine, as the client can reach it.")] = "",
) -> None:
    """Print a code with which one client elsewhere can join this daemon, once, within ten minutes."""
    home, output = Home.find(), context.obj
    endpoint = _reachable(_listening(home), host)
    name = name or _free_name(home)
    if (urlsplit(endpoint.url).hostname or "").startswith(_HERE):
        output.message("The daemon listens on this machine only; set 'tcp' to reach it from elsewhere.")
    code = make_code(home, name=name, endpoint=endpoint)
    output.message(f"For the client '{name}', once and within {CODE_S / 60:.0f} minutes. Hand it over in private, then")
    output.message("say there: secondtake clients join")
    output.line(str(code))
    output.answer(_CodeAnswer(name=name, code=str(code), seconds=CODE_S))


@app.command("join")
def join_daemon(
    context: typer.Context,
    name: Annotated[str, typer.Option("--as", help="What to call that daemon here.")] = "",
) -> None:
    """Use a daemon elsewhere: asks for the code that `clients pair` printed there.

    The code is a secret, so it is read from the terminal or from stdin, never from the command line.
    """
    output = context.obj
    code = read_code(_ask_code())
    name = name or (urlsplit(code.url).hostname or "daemon").lower().replace(":", "-")
    endpoint = join(Home.find(), code, name=name)
    output.line(f"Joined '{name}'. To use it: SECONDTAKE_DAEMON={name} secondtake …")
    output.answer(_JoinAnswer(daemon=name, url=endpoint.url))


def _say_client(output: Output, name: str, public: str, what: str) -> None:
    output.line(f"'{name}' {what}.")
    output.answer(_ClientAnswer(name=name, public=public))


def _codes(home: Home) -> list[str]:
    return list(live_codes(home.config / "pairing").values())


def _listening(home: Home) -> Endpoint:
    runtime = find_daemon(home)
    if runtime is None:
        raise DaemonLost("No daemon runs for this home", remedy="Start it with `secondtake daemon start`")
    for endpoint in runtime.endpoints:
        if endpoint.server_key:
            return endpoint
    raise UsageError(
        "The daemon does not listen on the network",
        remedy="Set 'tcp' in its settings, as 0.0.0.0:7345, and start it again",
        path=home.settings_file,
    )


def _reachable(endpoint: Endpoint, host: str) -> Endpoint:
    """The endpoint as it is reached from elsewhere: a daemon that listens everywhere does not say where it is."""
    parts = urlsplit(endpoint.url)
    if not host and (parts.hostname or "*") not in _ANYWHERE:
        return endpoint
    name = host or socket.getfqdn()
    if not name.isprintable() or any(character in name for character in "/@ "):
        raise UsageError(f"'{name[:64]}' is no name of a machine", remedy="Give --host as 192.168.1.20 or box.lan")
    where = f"[{name}]" if ":" in name else name
    return Endpoint(url=f"tcp://{where}:{parts.port}", server_key=endpoint.server_key)


def _free_name(home: Home) -> str:
    taken = {OWN_NAME, *named_keys(home.config / "clients").values(), *_codes(home)}
    return next(name for number in range(1, len(taken) + 2) if (name := f"client-{number}") not in taken)


def _ask_code() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Code", hide_input=True, err=True))
    text = sys.stdin.read(_CODE_CHARACTERS)
    if not text.strip():
        raise NotFound("No code was given", remedy="Pipe it in, or run this in a terminal")
    return text
