"""Where the options of a run come from: command line, environment, configuration file, defaults."""

from __future__ import annotations

import difflib
import math
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from facectrl_fast import plugins
from facectrl_fast.config import (
    BACKENDS,
    DETECTORS,
    MODES,
    SAVE_POWER,
    TRACKERS,
    RunOptions,
)
from facectrl_fast.errors import UsageError, UserError, is_unicode, printable
from facectrl_fast.files import base_folder
from facectrl_fast.player.names import check_player_name

ALL = "all"
"""Said in place of the players to control: no longer only those that are configured."""
NONE = "none"
"""The same in place of those to ignore."""
PREFIX = "FACECTRL_FAST_"
"""Environment variables are called so, and then as the option: ``FACECTRL_FAST_SAVE_POWER``."""


@dataclass(frozen=True)
class Kind:
    """What an option may be."""

    allowed: str
    """In words: must be ..."""
    accept: Callable[[object], Any]
    """Turns a TOML value into the option's; raises ValueError."""
    parse: Callable[[str], object] = str
    """Turns text into a TOML value; raises ValueError."""
    metavar: str = "FILE"

    @property
    def is_switch(self) -> bool:
        """Whether it is true or false."""
        return self.parse is _switch_text

    @property
    def is_list(self) -> bool:
        """Whether it is several."""
        return self.parse is _names_text

    def from_text(self, text: str) -> Any:
        """The option's value.

        Raises:
            ValueError: it is not allowed.
        """
        return self.accept(self.parse(text))


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value or not is_unicode(value):
        raise ValueError
    return value


def _path(value: object) -> Path:
    try:
        return Path(_text(value)).expanduser()
    except RuntimeError as error:
        raise ValueError from error  # the home of somebody whom nobody knows


def _source(value: object) -> str:
    text = _text(value)
    return str(_path(text)) if text.startswith("~") else text


def _switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _switch_text(text: str) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in words:
        raise ValueError
    return words[text.lower()]


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError
    return tuple(map(_text, value))


def _players(value: object) -> tuple[str, ...]:
    return () if _names(value) == (ALL,) else _named(value)


def _ignored(value: object) -> tuple[str, ...]:
    return () if _names(value) == (NONE,) else _named(value)


def _named(value: object) -> tuple[str, ...]:
    names = _names(value)
    if ALL in names or NONE in names:
        raise ValueError
    try:
        return tuple(map(check_player_name, names))
    except UsageError as error:
        raise ValueError from error


def _names_text(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _choice(*allowed: str, plugin_group: str | None = None) -> Kind:
    def accept(value: object) -> str:
        if value not in allowed and not (plugin_group and value in plugins.names(plugin_group)):
            raise ValueError
        return _text(value)

    words = f"one of {', '.join(allowed)}" + (" or a plug-in's" if plugin_group else "")
    return Kind(words, accept, metavar=f"{{{','.join(allowed)}}}")


def _number(least: float, most: float) -> Kind:
    def accept(value: object) -> float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not least <= float(str(value)) <= most:
            raise ValueError
        return float(str(value))

    return Kind(f"a number from {least:g} to {most:g}", accept, float)


_FILE = Kind("the name of a file", _path)
_SWITCH = Kind("true or false", _switch, _switch_text)
_PLAYERS = Kind('players\' names, such as ["spotify", "mpv"]', _players, _names_text)
_IGNORED = Kind('players\' names, such as ["chromium"]', _ignored, _names_text)
KINDS: Mapping[str, Kind] = {
    "source": Kind("a text", _source),
    "backend": _choice(*BACKENDS),
    "realtime": _SWITCH,
    "mode": _choice(*MODES),
    "player": _PLAYERS,
    "ignore": _IGNORED,
    "detector": _choice(*DETECTORS, plugin_group=plugins.DETECTORS),
    "detector_model": _FILE,
    "tracker": _choice(*TRACKERS, plugin_group=plugins.TRACKERS),
    "model": _FILE,
    "owner": Kind("the name of somebody who was enrolled", _text, metavar="NAME"),
    "identity_model": _FILE,
    "rate": _number(3, 60),
    "save_power": _choice(*SAVE_POWER),
    "yield_camera": _SWITCH,
    "yield_to": Kind('programs\' names, such as ["zoom"]', _names, _names_text),
    "notify": _SWITCH,
    "dry_run": _SWITCH,
    "preview": _SWITCH,
    "record": _FILE,
    "profile": _SWITCH,
}
"""By the names of the fields of RunOptions, which are the keys of the configuration file, too."""


@dataclass(frozen=True)
class Settings:
    """The options, and where each was said."""

    options: RunOptions
    said_by: Mapping[str, str] = field(default_factory=dict)
    """For those that are no defaults."""


def config_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the configuration file is, or would be."""
    folder = base_folder("XDG_CONFIG_HOME", ".config", environment)
    return folder / "facectrl-fast" / "config.toml"


def load_settings(
    given: Mapping[str, Any],
    path: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """The options as all of them say: command line over environment over file over defaults.

    Args:
        given: on the command line; what is no option of a run is passed over.
        path: the configuration file; the user's by default. It need not be there.
        environment: the variables.

    Raises:
        UsageError: the file or a variable says what is not allowed.
        UserError: the file cannot be read.
    """
    path = path or config_path(environment)
    values = read_config(path)
    said_by = dict.fromkeys(values, str(path))
    for name, value in _from_environment(environment).items():
        values[name], said_by[name] = value, PREFIX + name.upper()
    for name in KINDS:
        if name in given:
            value = given[name]
            values[name] = tuple(value) if isinstance(value, list) else value
            said_by[name] = "command line"
    return Settings(RunOptions(**values), said_by)


def read_config(path: Path) -> dict[str, Any]:
    """What a configuration file says, by the names of the fields of RunOptions.

    Relative names of models and recordings in it are relative to its folder.

    Raises:
        UsageError: in one line: file, key and what is allowed.
        UserError: it cannot be read.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    values: dict[str, Any] = {}
    for key, value in _parse(content, path).items():
        if key not in KINDS:
            raise UsageError(f"{path}: there is no '{brief(key)}'{_suggestion(key)}")
        try:
            values[key] = KINDS[key].accept(value)
        except ValueError:
            raise UsageError(
                f"{path}: {key} must be {KINDS[key].allowed}, not {_shown(value)}"
            ) from None
        if isinstance(values[key], Path):
            values[key] = path.parent / values[key]
    return values


def as_toml(value: object) -> str:
    """An option's value as the file has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(as_toml, value))}]"
    # JSON's strings are TOML's, but for what JSON leaves as it is.
    import json

    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007F")


def brief(text: str) -> str:
    """Somebody's text for a message: in one line, and not too long."""
    line = printable(text)
    return line if len(line) <= 60 else line[:57] + "..."


def show(settings: Settings) -> str:
    """All options as a configuration file, each with where it was said."""
    lines = []
    for option in fields(RunOptions):
        value = getattr(settings.options, option.name)
        said_by = settings.said_by.get(option.name, "default")
        line = f"# {option.name} =" if value is None else f"{option.name} = {as_toml(value)}"
        lines.append(f"{line:<44} # {said_by}")
    return "\n".join(lines)


def template() -> str:
    """A configuration file that changes nothing, to begin with."""
    lines = ["# Options of facectrl-fast; 'facectrl-fast run --help' says what they mean.", ""]
    for option in fields(RunOptions):
        value = getattr(RunOptions(), option.name)
        shown = "" if value is None else as_toml(value)
        lines.append(f"# {option.name} = {shown}".rstrip() + f"  # {KINDS[option.name].allowed}")
    return "\n".join(lines) + "\n"


def edit_config(path: Path) -> None:
    """Open the file in the user's editor, and say what is wrong with the result.

    Raises:
        UserError: there is no editor, or the file says what is not allowed; it stays as it is.
    """
    import shlex
    import shutil
    import subprocess

    chosen = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    try:
        editor = shlex.split(chosen)
    except ValueError:
        raise UserError(f"EDITOR is no command: {brief(chosen)}") from None
    editor = editor or [next(filter(shutil.which, ("editor", "nano", "vi")), "")]
    if not shutil.which(editor[0]):
        raise UserError(f"no editor '{editor[0]}': set EDITOR, or write {path} by other means")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template())
    status = subprocess.run([*editor, str(path)], check=False).returncode
    if status != 0:
        raise UserError(f"{editor[0]} ended with status {status}")
    read_config(path)


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    known = {PREFIX + name.upper() for name in KINDS}
    for variable in environment:
        if variable.startswith(PREFIX) and variable not in known:
            key = variable.removeprefix(PREFIX).lower()
            raise UsageError(f"environment: there is no {brief(variable)}{_suggestion(key)}")
    for name, kind in KINDS.items():
        variable = PREFIX + name.upper()
        text = environment.get(variable, "")
        if not text:
            continue
        try:
            values[name] = kind.from_text(text)
        except ValueError:
            raise UsageError(f"{variable} must be {kind.allowed}, not '{brief(text)}'") from None
    return values


def _parse(content: bytes, path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no text in UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else error
        raise UsageError(f"{path} is no TOML: {what}") from None
    except ValueError as error:
        # Dates and numbers that Python cannot hold.
        raise UsageError(f"{path} is no TOML: {error}") from None


def _suggestion(key: str) -> str:
    close = difflib.get_close_matches(key.lower().replace("-", "_"), KINDS, 1)
    return f"; is '{close[0]}' meant?" if close else f"; there are {', '.join(KINDS)}"


def _shown(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = (
        str(value)
        if isinstance(value, dict)
        else as_toml(tuple(value) if isinstance(value, list) else value)
    )
    return brief(text)
