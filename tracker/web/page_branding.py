"""How each association presents itself on its pages: a style sheet of its color, and its logo."""

from collections.abc import Iterable
from dataclasses import dataclass

from tracker.branding import LOGO_HEIGHT, Look
from tracker.services.browser_sessions import SessionUser
from tracker.services.team import TeamMember
from tracker.settings import Settings
from tracker.web.rendering import Asset


@dataclass(frozen=True, slots=True)
class PageBranding:
    """What the band of pages has: the paths of a style sheet, and of a logo unless it is "".

    ``logo_size`` is its width and height on the page.
    """

    look: Look
    style: str
    logo: str
    logo_size: tuple[int, int]

    @property
    def name(self) -> str:
        """What the association is called there."""
        return self.look.branding.name


class PageBrandings:
    """The branding of each association that has one, and the files that pages name for it.

    Logos are read once a process. Raises as `read_logo`.
    """

    def __init__(self, settings: Settings) -> None:
        self._by_association: dict[str, PageBranding] = {}
        self._by_path: dict[str, Asset] = {}
        for association in settings.associations:
            if look := settings.read_look(association):
                self._by_association[association] = self._add(look)

    def _add(self, look: Look) -> PageBranding:
        colors = f"--branding: {look.branding.color}; --on-branding: {look.branding.text_color};"
        style = self._add_file("branding.css", f":root {{ {colors} }}\n".encode())
        if look.logo is None:
            return PageBranding(look, style, "", (0, 0))
        path = self._add_file(f"logo{look.logo.ending}", look.logo.body)
        width = max(1, round(LOGO_HEIGHT * look.logo.width / look.logo.height))
        return PageBranding(look, style, path, (width, LOGO_HEIGHT))

    def _add_file(self, name: str, body: bytes) -> str:
        asset = Asset.create(name, body)
        self._by_path[asset.path] = asset
        return asset.path

    def of(self, association: str | None) -> PageBranding | None:
        """The branding of an association, if it has one."""
        return self._by_association.get(association or "")

    def of_viewer(
        self, user: SessionUser, roles: Iterable[TeamMember], *, is_desk: bool
    ) -> PageBranding | None:
        """That of the one association to which somebody belongs; on the desk, by their roles."""
        if not is_desk and (user.is_endorsed or user.has_applied):
            return self.of(user.only_association)
        associations = {role.association for role in roles}
        return self.of(associations.pop()) if len(associations) == 1 else None

    def find(self, path: str) -> Asset | None:
        """The file at a path, or None."""
        return self._by_path.get(path)
