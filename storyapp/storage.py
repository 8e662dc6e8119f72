"""Storage classes of the project."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(CompressedManifestStaticFilesStorage):
    """Hashed names that a browser keeps for ever, once `collectstatic` has run; plain names before it."""

    def stored_name(self, name: str) -> str:
        if not self.hashed_files:
            return name
        hashed: str = super().stored_name(name)
        return hashed
