"""Make stubs of Resolve's API that can judge: `python tests/resolve/stubs.py FOLDER`.

The published `fusionscript-stubs` (MIT, pinned in pyproject.toml) do not pass a type checker themselves, refuse legal
calls and never say None. This derives better ones from the installed package: nothing of its prose is kept, and the
result is not committed. What is added here beyond the package stands in the tables below, each with its reason.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from importlib import metadata
from pathlib import Path

PACKAGE, VERSION = "fusionscript-stubs", "21.0.0"

NULLABLE = {
    "Resolve": "GetProjectManager GetCurrentPage GetProductName GetVersion GetVersionString Fusion GetMediaStorage",
    "ProjectManager": "GetCurrentProject",
    "Project": "GetCurrentTimeline GetTimelineByIndex GetMediaPool AddRenderJob GetSetting GetUniqueId GetName"
    " GetRenderJobList GetRenderPresetList GetRenderJobStatus GetCurrentRenderFormatAndCodec GetCurrentRenderMode"
    " GetRenderFormats GetRenderCodecs GetGallery",
    "MediaPool": "GetRootFolder GetCurrentFolder AddSubFolder ImportMedia AppendToTimeline CreateEmptyTimeline",
    "Folder": "GetClipList GetSubFolderList GetName GetUniqueId",
    "MediaPoolItem": "GetClipProperty GetName GetUniqueId GetMediaId GetThirdPartyMetadata GetMarkers GetClipColor",
    "Timeline": "GetCurrentVideoItem GetItemListInTrack GetCurrentTimecode GetSetting GetMediaPoolItem GetMarkInOut"
    " GetTrackName GetName GetUniqueId GetStartTimecode GetMarkers GetNodeGraph GetSelectedClips",
    "TimelineItem": "GetMediaPoolItem GetFusionCompByIndex GetFusionCompByName GetFusionCompNameList AddFusionComp"
    " ImportFusionComp LoadFusionCompByName GetProperty GetUniqueId GetName GetTakeByIndex GetTakesCount"
    " GetSelectedTakeIndex GetMarkers GetClipColor GetLeftOffset GetRightOffset GetStart GetEnd GetDuration"
    " GetSourceStartFrame GetSourceEndFrame GetSourceStartTime GetSourceEndTime GetFusionCompCount"
    " GetTrackTypeAndIndex GetClipEnabled GetLinkedItems GetNodeGraph",
}
"""What may be None although the stub does not say so: measured, or nothing is selected, or Resolve is busy."""

NULLABLE_ITEMS = {("MediaPool", "ImportMedia"), ("MediaPool", "AppendToTimeline"), ("Timeline", "GetItemListInTrack")}
"""Lists that may hold None."""

OPTIONAL = {
    "subframe_precision",
    "startFrame",
    "endFrame",
    "customData",
    "layerIdx",
    "propertyKey",
    "propertyName",
    "Bool",
}
"""Parameters that may be left out although the stub does not say so; `Bool` where it is ripple delete."""

REQUIRED_BOOL = {"SetTrackEnable", "SetTrackLock", "SetClipsLinked", "SetClipEnabled"}

PARTIAL = {"RenderSettings", "MediaPoolClipInfo", "NewTrackOptions", "QuickExportRenderSettings", "DeblurOption"}
"""Dictionaries of which a part may be given."""

FILLED = {
    "RenderJob": {"JobId": "str", "RenderJobName": "str", "TargetDir": "str", "MarkIn": "int", "MarkOut": "int"},
    "RenderJobStatus": {
        "JobStatus": "Literal['Ready', 'Ready for background render', 'Rendering', 'Complete', 'Cancelled',"
        " 'Background Render Cancelled', 'Failed', 'Ready to remotely render', 'Remote Render Cancelled']",
        "CompletionPercentage": "int",
        "EstimatedTimeRemainingInMs": "int",
        "TimeTakenToRenderInMs": "int",
        "Error": "str",
    },
    "RenderPreset": {"RenderPresetName": "str"},
}
"""Dictionaries that the stub leaves empty."""

LATER = {
    "Resolve": ["def IsStudio(self) -> bool: ..."],
    "Timeline": ["def GetSelectedClips(self) -> list[TimelineItem] | None: ..."],
    "TimelineItem": [
        "def GetType(self) -> Literal['video', 'audio', 'generator', 'transition']: ...",
        "def GetSpeed(self) -> float: ...",
    ],
}
"""Calls of 21.0.4 and 21.1; who makes one looks first whether it is there."""

REPLACED = {
    "MediaPoolItem": {
        "GetClipProperty": [
            "def GetClipProperty(self) -> dict[str, object] | None: ...",
            "def GetClipProperty(self, propertyName: str) -> str | float | None: ...",
        ],
    },
    "Project": {"GetSetting": ["def GetSetting(self, settingName: str) -> str | float | None: ..."]},
    "Timeline": {"GetSetting": ["def GetSetting(self, settingName: str) -> str | float | None: ..."]},
    "TimelineItem": {
        "GetProperty": [
            "def GetProperty(self) -> dict[str, object] | None: ...",
            "def GetProperty(self, propertyKey: str) -> object: ...",
        ],
    },
}
"""Calls whose answer depends on what is asked, or was measured to be a number."""

FUSION = """
class Fusion:
    UIManager: UIManager | None
    def GetCurrentComp(self) -> FusionComp | None: ...

class UIManager:
    def FindWindow(self, id: str) -> Any: ...

class FusionComp:
    def GetToolList(self, selected: bool, kind: str) -> dict[int, Tool] | None: ...
    def FindTool(self, name: str) -> Tool | None: ...
    def AddTool(self, kind: str, x: int, y: int) -> Tool | None: ...
    def GetAttrs(self) -> dict[str, Any] | None: ...

class Tool:
    def GetAttrs(self) -> dict[str, Any] | None: ...
    def GetInput(self, name: str, time: float) -> Any: ...
    def GetBezierPolyline(self, time: float) -> dict[Any, Any] | None: ...
"""
"""The little of Fusion that is used; `Fusion` and `FusionComp` are empty in the stub."""


def published() -> Path:
    """The installed stub. Raises SystemExit if it is another version, or not there."""
    try:
        distribution = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError:
        raise SystemExit(f"{PACKAGE} is not installed: pip install {PACKAGE}=={VERSION}") from None
    if distribution.version != VERSION:
        raise SystemExit(f"{PACKAGE} {distribution.version} is installed, {VERSION} is wanted")
    return Path(str(distribution.locate_file("fusionscript-stubs/fusionscript.pyi")))


def repaired() -> str:
    """The text of the better stub, `fusionscript.pyi`."""
    tree = ast.parse(published().read_text(encoding="utf-8"))
    tree.body = [node for node in (_top(node) for node in tree.body) if node is not None]
    tree.body += ast.parse(FUSION).body
    head = "from typing import Any, Final, Literal, NotRequired, TypedDict, overload\n"
    return f"# Derived from {PACKAGE} {VERSION}, MIT licence\n{head}\n{ast.unparse(_Types().visit(tree))}\n"


def write(folder: Path) -> Path:
    """Write it to a folder; the file."""
    path = folder / "fusionscript.pyi"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(repaired(), encoding="utf-8")
    return path


def _top(node: ast.stmt) -> ast.stmt | None:
    """A statement of the module, without what no checker understands."""
    if isinstance(node, ast.ImportFrom) or _is_text(node):
        return None
    if isinstance(node, ast.ClassDef):
        return None if node.name in ("ValueRange", "Fusion", "FusionComp") else _class(node)
    if isinstance(node, ast.AnnAssign):
        node.value = None
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return _alias(node.targets[0].id, node)
    return node


def _alias(name: str, node: ast.Assign) -> ast.stmt:
    text = ast.unparse(node.value)
    if text.startswith("TypedDict(") and "Resolve." in text:
        return ast.parse(f"{name} = dict[int, Any]").body[0]
    if isinstance(node.value, ast.BinOp):
        return ast.parse(f"{name} = str").body[0]
    return ast.parse(f"{name} = int").body[0] if "Resolve." in text else node


def _class(node: ast.ClassDef) -> ast.ClassDef:
    is_dict = any(ast.unparse(base) == "TypedDict" for base in node.bases)
    if node.name in FILLED:
        node.body = [ast.parse(f"{key}: {kind}").body[0] for key, kind in FILLED[node.name].items()]
    if is_dict and (node.name in PARTIAL or node.name in FILLED):
        node.keywords = [ast.keyword("total", ast.Constant(value=False))]
    node.body = [part for part in node.body if not _is_text(part) and not _is_deprecated(part)]
    replaced = REPLACED.get(node.name, {})
    node.body = [part for part in node.body if not (isinstance(part, ast.FunctionDef) and part.name in replaced)]
    node.body += [ast.parse(line).body[0] for lines in replaced.values() for line in lines]
    node.body += [ast.parse(line).body[0] for line in LATER.get(node.name, ()) if not _has(node, line)]
    by_name: dict[str, list[ast.FunctionDef]] = defaultdict(list)
    for part in node.body:
        if isinstance(part, ast.FunctionDef):
            _function(node.name, part)
            by_name[part.name].append(part)
        elif isinstance(part, ast.AnnAssign) and not is_dict:
            part.annotation, part.value = ast.parse("Final[int]", mode="eval").body, None
    for alike in by_name.values():
        for part in alike:
            part.decorator_list = [ast.Name("overload")] if len(alike) > 1 else []
    node.body = node.body or [ast.Expr(ast.Constant(value=...))]
    return node


def _function(owner: str, node: ast.FunctionDef) -> None:
    node.body = [ast.Expr(ast.Constant(value=...))]
    if node.name in REPLACED.get(owner, {}):
        return
    _loosen(node)
    returns = "Any" if node.returns is None else ast.unparse(node.returns)
    if returns == "[TimelineItem]":
        returns = "List[TimelineItem]"
    if (owner, node.name) in NULLABLE_ITEMS:
        returns = returns.replace("List[", "List[None | ", 1)
    if node.name in NULLABLE.get(owner, "").split() and not returns.endswith("None"):
        returns += " | None"
    node.returns = ast.parse(returns, mode="eval").body
    for argument in node.args.args[1:]:
        if argument.annotation is None:
            argument.annotation = ast.Name("object")


def _loosen(node: ast.FunctionDef) -> None:
    """Give optional parameters a default, and all that come after one."""
    arguments = node.args.args
    first = len(arguments) - len(node.args.defaults)
    for at, argument in enumerate(arguments[1:], start=1):
        kind = ast.unparse(argument.annotation) if argument.annotation else ""
        is_named = argument.arg in OPTIONAL and node.name not in REQUIRED_BOOL
        is_track_kind = node.name == "AddTrack" and argument.arg == "subTrackType"
        if (
            (kind.startswith("Optional[") or is_named or is_track_kind)
            and at < first
            and node.name != "SetClipProperty"
        ):
            first = at
    node.args.defaults = [ast.Constant(value=...) for _ in arguments[first:]]


class _Types(ast.NodeTransformer):
    """Old spellings of types."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        name = ast.unparse(node.value)
        if name == "Optional":
            return ast.BinOp(node.slice, ast.BitOr(), ast.Constant(value=None))
        if name == "Annotated":
            return node.slice.elts[0] if isinstance(node.slice, ast.Tuple) else node
        if name in ("List", "Tuple"):
            node.value = ast.Name(name.lower())
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        self.generic_visit(node)
        node.annotation = _generic(node.annotation)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.returns = _generic(node.returns)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        if ast.unparse(node.annotation).startswith("Final"):
            node.annotation = ast.parse("Final[int]", mode="eval").body
        return node


def _generic(annotation: ast.expr | None) -> ast.expr | None:
    """`dict` and `list` with what is in them."""
    if isinstance(annotation, ast.Name) and annotation.id in ("dict", "list"):
        return ast.parse({"dict": "dict[str, Any]", "list": "list[Any]"}[annotation.id], mode="eval").body
    if isinstance(annotation, ast.BinOp):
        annotation.left = _generic(annotation.left) or annotation.left
        annotation.right = _generic(annotation.right) or annotation.right
    return annotation


def _has(node: ast.ClassDef, line: str) -> bool:
    name = line.removeprefix("def ").partition("(")[0]
    return any(isinstance(part, ast.FunctionDef) and part.name == name for part in node.body)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_deprecated(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and any("deprecated" in ast.unparse(each) for each in node.decorator_list)


if __name__ == "__main__":
    print(write(Path(sys.argv[1])))
