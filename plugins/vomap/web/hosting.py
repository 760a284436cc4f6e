"""Find the URL of the file that a page of a code-hosting site shows."""

from __future__ import annotations

from urllib.parse import urlsplit

# The paths below a repository that lead to a file. All others are pages.
_GITHUB_FILES = ("archive", "raw", "tarball")
_GITLAB_FILES = ("archive", "raw", "jobs")
# The pages of a repository follow this part of a path.
_GITLAB_MARK = "-"


def file_behind(url: str) -> str | None:
    """Return the URL of the file, or of the tarball, that a page of GitHub or GitLab shows.

    Return None for a URL that does not look like such a page.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    steps = [step for step in parts.path.split("/") if step]
    if host in ("github.com", "www.github.com"):
        return _behind_github(steps)
    if host == "gitlab.com" or _GITLAB_MARK in steps:
        return _behind_gitlab(f"https://{parts.netloc}", steps)
    return None


def _behind_github(steps: list[str]) -> str | None:
    if len(steps) < len(["ORG", "REPO"]):
        return f"https://github.com/{(*steps, 'ORG')[0]}/REPO/archive/HEAD.tar.gz"
    repository, rest = [steps[0], steps[1].removesuffix(".git")], steps[2:]
    if rest[:1] and (rest[0] in _GITHUB_FILES or rest[:2] == ["releases", "download"]):
        return None
    if rest[:1] == ["blob"] and rest[2:]:
        return "/".join(["https://raw.githubusercontent.com", *repository, *rest[1:]])
    commit = rest[1] if rest[:1] in (["tree"], ["commit"]) and rest[1:] else "HEAD"
    return "/".join(["https://github.com", *repository, "archive", f"{commit}.tar.gz"])


def _behind_gitlab(site: str, steps: list[str]) -> str | None:
    end = steps.index(_GITLAB_MARK) if _GITLAB_MARK in steps else len(steps)
    repository, rest = steps[:end], steps[end + 1 :]
    if len(repository) < len(["GROUP", "PROJECT"]) or (rest[:1] and rest[0] in _GITLAB_FILES):
        return None
    repository[-1] = repository[-1].removesuffix(".git")
    if rest[:1] == ["blob"] and rest[2:]:
        return "/".join([site, *repository, _GITLAB_MARK, "raw", *rest[1:]])
    commit = rest[1] if rest[:1] == ["tree"] and rest[1:] else "HEAD"
    return "/".join([site, *repository, _GITLAB_MARK, "archive", commit, f"{repository[-1]}-{commit}.tar.gz"])
