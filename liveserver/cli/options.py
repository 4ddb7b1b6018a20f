"""Options that several commands have. Some commands have options for the server's settings. Commands that talk to a
server have options for the server's address and the API key."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liveserver.cli.terminal import fail, tell
from liveserver.settings import SECRETS, Settings, flag_of, key_of, load, unreadable_lines
from liveserver.utils import audit_log

if TYPE_CHECKING:
    from collections.abc import Callable

LOGGING = {"serve", "demo"}
"""The commands that report mistakes in `.env` and the environment in the log. Other commands print them on standard
error."""

ServerKey = Annotated[
    str | None,
    typer.Option("--key", envvar="LIVESERVER_KEY", help="The API key; or LIVESERVER_KEY_FILE names its file"),
]
ServerUrl = Annotated[str, typer.Option("--url", envvar="LIVESERVER_URL", help="The server to talk to")]


def with_settings(*names: str, **defaults: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that gives a command options for the settings in `names`, or for all settings if `names` is
    empty.

    The command's parameter `settings` gets the settings in force. A value on the command line has priority over the
    environment, and the environment has priority over `.env`. If the command has a parameter `flags` instead, `flags`
    gets only the values on the command line, by the name of the setting.

    `defaults`: for each setting that has another default in this command, a text for the help that describes this
    default, by the name of the setting. The text is only shown: the command itself must apply the default.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        fields = [name for name in Settings.model_fields if not names or name in names]
        own = inspect.signature(command, eval_str=True).parameters

        @functools.wraps(command)
        def wrapped(**arguments: Any) -> None:
            audit_log.by(command=command.__name__.replace("_", " "))
            flags = {name: arguments.pop(name) for name in fields}
            if "flags" in own:
                command(**arguments, flags={name: value for name, value in flags.items() if value is not None})
            else:
                settings = load(**flags)
                if command.__name__ not in LOGGING:
                    for line in unreadable_lines():
                        tell(f"{line} isn't like NAME=value, and is left out")
                command(**arguments, settings=settings)

        parameters = [parameter for name, parameter in own.items() if name not in {"settings", "flags"}]
        parameters += [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_flag(name, defaults.get(name))
            )
            for name in fields
        ]
        wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
        return wrapped

    return decorate


def _flag(name: str, own: str | None) -> Any:
    field = Settings.model_fields[name]
    spellings = {"--" + name.replace("_", "-"), flag_of(name)}
    default = "none" if field.default is None else field.default
    variable = f"LIVESERVER_{name.upper()}" + (" or …_FILE" if name in SECRETS else "")
    text = f"{field.description} [{variable}; default: {default}]"
    if own is not None:
        text = f"{field.description} [here: {own}]"
    return Annotated[str | None, typer.Option(*sorted(spellings), help=text, show_default=False, metavar="VALUE")]


def required_key(key: str | None) -> str:
    """Return the API key to send to a server: `key`, or else the key in the file that LIVESERVER_KEY_FILE names.

    `key`: the value of the option `ServerKey`. If there is no key, prints a message and raises typer.Exit with the
    status 2. Raises SettingsError as `key_of` does.
    """
    api_key = key_of(key)
    if api_key is None:
        fail("an API key is needed: --key, LIVESERVER_KEY or LIVESERVER_KEY_FILE (see `liveserver keys create`)", 2)
    return api_key
