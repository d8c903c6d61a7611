"""The archive, as an artist installs it: from disk, with online access off."""

from __future__ import annotations

from pathlib import Path

import bpy
import extension


def check_install(_folder: Path, archive: str) -> None:
    assert not bpy.app.online_access
    bpy.ops.extensions.package_install_files(filepath=archive, repo="user_default", enable_on_install=True)
    assert extension.NAME in bpy.context.preferences.addons
    assert extension.part("state").live.bridge is None
    assert not any(path.suffix in (".whl", ".so") for path in Path(bpy.utils.user_resource("EXTENSIONS")).rglob("*"))
    repos = [repo.module for repo in bpy.context.preferences.extensions.repos]
    bpy.ops.extensions.package_uninstall(repo_index=repos.index("user_default"), pkg_id="secondtake_blender")
    assert not hasattr(bpy.context.scene, "secondtake")
