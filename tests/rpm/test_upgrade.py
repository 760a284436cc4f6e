"""An upgrade takes nothing from a site that the site has edited, and neither does a removal."""

from __future__ import annotations

from pathlib import Path

import pytest

from rpm.packages import DEFAULTS, NAMES, RELEASES, EmptySystem, Packages

EDITED = "# Ours.\n"

pytestmark = pytest.mark.parametrize("release", RELEASES)


@pytest.fixture
def system(packages: Packages, release: str, tmp_path: Path) -> EmptySystem:
    """An empty system with all packages, and a site that has written what a site writes."""
    made = EmptySystem(tmp_path / "root")
    made.install(packages.files(release))
    for path in SITE_FILES:
        made.path(path).write_text(EDITED, "utf-8")
    return made


SITE_FILES = (
    "/etc/vomap/mapfiles.d/10-site.yaml",
    "/etc/vomap/bans.d/vomap-ban.yaml",
    "/etc/condor-ce/mapfiles.d/05-vomap.conf",
    "/etc/condor-ce/config.d/55-vomap-policy.conf",
    "/etc/arc.conf.d/50-vomap.conf",
    "/var/lib/vomap/policy",
    "/var/lib/vomap/bans",
)


def _beside(system: EmptySystem) -> list[str]:
    return [path for path in system.files() if path.endswith((".rpmnew", ".rpmsave", ".rpmorig"))]


def test_settings_that_were_edited_stay(newer: Packages, release: str, system: EmptySystem) -> None:
    """The new ones are put beside them."""
    system.path(DEFAULTS).write_text(EDITED, "utf-8")
    system.install(newer.files(release))
    assert system.path(DEFAULTS).read_text("utf-8") == EDITED
    assert _beside(system) == [f"{DEFAULTS}.rpmnew"]
    assert system.path(f"{DEFAULTS}.rpmnew").read_text("utf-8").startswith("# Newer than before.\n")


def test_settings_that_were_not_edited_are_renewed(newer: Packages, release: str, system: EmptySystem) -> None:
    """A site that left them alone has what the new version needs."""
    system.install(newer.files(release))
    assert system.path(DEFAULTS).read_text("utf-8").startswith("# Newer than before.\n")
    assert _beside(system) == []


def test_an_upgrade_leaves_what_a_site_wrote(newer: Packages, release: str, system: EmptySystem) -> None:
    """Mapfiles, bans, wiring and what was built are as they were."""
    system.install(newer.files(release))
    for path in SITE_FILES:
        assert system.path(path).read_text("utf-8") == EDITED


def test_a_removal_leaves_what_a_site_wrote(release: str, system: EmptySystem) -> None:
    """The edited settings stay under another name, and no file of the packages stays."""
    system.path(DEFAULTS).write_text(EDITED, "utf-8")
    system.remove(*NAMES)
    for path in (*SITE_FILES, f"{DEFAULTS}.rpmsave"):
        assert system.path(path).read_text("utf-8") == EDITED
    files = [path for path in system.files() if not system.path(path).is_dir()]
    assert sorted(files) == sorted([*SITE_FILES, f"{DEFAULTS}.rpmsave"])


def test_what_a_site_had_before_the_package_stays(packages: Packages, release: str, tmp_path: Path) -> None:
    """Settings that `vomap init` wrote on a CE without packages are not overwritten by the first package."""
    system = EmptySystem(tmp_path / "root")
    system.path(DEFAULTS).parent.mkdir(parents=True)
    system.path(DEFAULTS).write_text(EDITED, "utf-8")
    system.install(packages.files(release))
    assert system.path(DEFAULTS).read_text("utf-8") == EDITED
    assert _beside(system) == [f"{DEFAULTS}.rpmnew"]
