"""The folder of a run, and which files in it are the run's own.

``run.json`` lists the commands, the settings, the files and the parts (runs in subfolders) of the run: no other file is
ever replaced or removed, also not those of an independent run in a subfolder. One process at a time may use the folder
(``lock.py``). Nothing in it changes before the run writes its first file: a command that fails at once has changed
nothing.
"""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tinygen import ranks
from tinygen.checkpoint import CheckpointError
from tinygen.files import atomic_write, remove_unfinished
from tinygen.training.lock import lock_folder

MANIFEST = "run.json"


class RunFolder:
    """The folder ``out``: new, empty, or that of an earlier run, which is resumed or overwritten; ``settings`` are kept
    in ``run.json``.

    Raises ``BlockingIOError`` where another process writes into the folder; ``NotADirectoryError`` where ``out`` is a
    file; ``FileExistsError`` where the folder holds other files, or an earlier run that is neither resumed nor
    overwritten; ``CheckpointError`` where its ``run.json`` cannot be read.
    """

    def __init__(self, out: str | Path, settings: Mapping[str, Any], *, resume: bool, overwrite: bool) -> None:
        self.out, self.settings = ranks.folder(Path(out)), settings
        self._resume, self._overwrite = resume, overwrite
        self._parent: RunFolder | None = None
        if self.out.exists() and not self.out.is_dir():
            raise NotADirectoryError(f"{self.out} is a file, expected a folder or a new name")
        self.out.mkdir(parents=True, exist_ok=True)
        self._lock = lock_folder(self.out, command())
        self.earlier = self._earlier_manifest()
        self._files = self.earlier["files"]
        self._parts = self.earlier["parts"] if resume else []
        self.commands = self.earlier["commands"] if resume else []
        self.has_earlier = bool(self.earlier["commands"])
        self.has_begun = False

    def file(self, name: str) -> Path:
        """The path of the run's file ``name``, which the caller writes; ``run.json`` lists it.

        Raises ``FileExistsError`` where a file that is not of this run has that name.
        """
        self._begin()
        path = self.out / name
        if name not in self._files:
            if path.exists():
                raise FileExistsError(
                    f"{path} exists and is not of this run: move it away, then continue with --resume"
                )
            path.parent.mkdir(exist_ok=True)
            self._files = sorted([*self._files, name])
            self._write_manifest(self.out, self._files)
        return path

    def _earlier_manifest(self) -> dict[str, Any]:
        """The manifest of the earlier run in the folder; errors where the folder must not be written to."""
        if (self.out / MANIFEST).exists():
            earlier = _read_manifest(self.out)
            if not (self._resume or self._overwrite):
                raise FileExistsError(
                    f"{self.out} holds a run ({earlier['commands'][-1]}): continue with --resume, replace with "
                    "--overwrite, or choose another folder with --out"
                )
            return earlier
        others = sorted(path.name for path in self.out.iterdir() if not path.name.startswith("."))
        if others:
            raise FileExistsError(
                f"{self.out} holds files that are not of a run with a {MANIFEST} ({', '.join(others[:3])}"
                f"{', ...' if len(others) > 3 else ''}): choose a new or an empty folder"
            )
        return {"commands": [], "files": [], "parts": [], "settings": {}}

    def _begin(self) -> None:
        """Before the first file is written: delete the earlier run's files, unless this run resumes it."""
        if self.has_begun:
            return
        if self._parent is not None:
            self._parent._begin()
            self._parent._list_part(str(self.out.relative_to(self._parent.out)))
        self.has_begun = True
        remove_unfinished(self.out)
        if not self._resume:
            for folder in _run_folders(self.out):
                _remove_files(folder)
                self._write_manifest(folder)
            self._files = []
        if not self.commands or self.commands[-1].partition("python ")[2] != command().partition("python ")[2]:
            self.commands.append(self._description())
        self._write_manifest(self.out, self._files)

    def _list_part(self, name: str) -> None:
        if name not in self._parts:
            self._parts.append(name)
            self._write_manifest(self.out, self._files)

    def _write_manifest(self, folder: Path, files: Sequence[str] = ()) -> None:
        contents = {"commands": self.commands or [command()], "settings": self.settings, "files": list(files)}
        write_json(folder / MANIFEST, contents | {"parts": self._parts if folder == self.out else []})

    def _description(self) -> str:
        """The command of this run, as ``run.json`` lists it."""
        return command()


def command() -> str:
    """The command of this run, without ``--resume``."""
    return shlex.join(["python", *(word for word in sys.argv if word != "--resume")])


def foreign_file(out: Path, trial_folder: Path) -> Path | None:
    """A file in the folder ``out`` that a run with the files in ``trial_folder`` would write and that is not of an
    earlier run; None if there is none."""
    for folder in _run_folders(trial_folder):
        place = out / folder.relative_to(trial_folder)
        own = _read_manifest(place)["files"] if (place / MANIFEST).exists() else []
        for name in map(str, _read_manifest(folder)["files"]):
            if name not in own and (place / name).exists():
                return place / name
    return None


def _run_folders(out: Path) -> list[Path]:
    """The folders of the run in ``out``, if there is one, and of its parts."""
    parts = [out / name for name in _read_manifest(out)["parts"]] if (out / MANIFEST).exists() else None
    return [] if parts is None else [out, *(folder for part in parts for folder in _run_folders(part))]


def _read_manifest(folder: Path) -> dict[str, Any]:
    """The commands, settings and files of the run in ``folder``."""
    manifest = folder / MANIFEST
    try:
        found = json.loads(manifest.read_text(encoding="utf-8"))
        commands, settings = list(map(str, found["commands"])), dict(found["settings"])
        files, parts = (
            list(map(_inside, found.get(name, default))) for name, default in (("files", None), ("parts", []))
        )
        return {"commands": commands, "settings": settings, "files": files, "parts": parts}
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{manifest} is no list of a run's files: {error!r}") from error


def _remove_files(folder: Path) -> None:
    """Remove the files of the run in ``folder`` except its manifest, and subfolders that become empty."""
    for path in (folder / name for name in _read_manifest(folder)["files"]):
        path.unlink(missing_ok=True)
        if path.parent != folder and path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()


def _inside(name: str) -> str:
    """``name``; ``ValueError`` where it is not the path of a file inside a folder."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"{name!r} lies outside the run's folder")
    return name


def write_json(path: Path, contents: Mapping[str, object]) -> None:
    """Write ``contents`` to ``path`` atomically; ``ValueError`` where a number is not finite."""
    with atomic_write(path) as unfinished:
        unfinished.write_text(json.dumps(contents, indent=2, allow_nan=False) + "\n", encoding="utf-8")
