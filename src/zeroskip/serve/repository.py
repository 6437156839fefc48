"""The models that a server has, by name and version."""

from __future__ import annotations

from collections.abc import Iterable

from .kserve_parts import ModelNotFound, ModelRepository
from .model import ServedModel


class Repository(ModelRepository):  # type: ignore[misc]  # KServe has no types
    """The models of a server by name and version; a name alone means its highest version.

    Args:
        models: At least one.
    """

    def __init__(self, models: Iterable[ServedModel]) -> None:
        super().__init__()
        self.is_draining = False
        for model in sorted(models, key=lambda model: int(model.version)):
            self.update(model, _key(model.name, model.version))
            self.update(model, model.name)

    def key(self, name: str, version: str | None) -> str:
        """Return what a model is registered as.

        Raises:
            ModelNotFound: If there is none of that name and version.
        """
        key = _key(name, version) if version else name
        if key not in self.models or "/" in name:
            raise ModelNotFound(f"{name}, version {version}" if version else name)
        return key

    def versions(self, name: str) -> list[str]:
        """Return the versions of a model, lowest first."""
        own = {model.version for model in self.models.values() if model.name == name}
        return sorted(own, key=int)

    def served(self) -> list[ServedModel]:
        """Return every model once."""
        return [model for key, model in self.models.items() if "/" in key]

    async def ready(self) -> bool:
        """Whether new requests are taken."""
        return not self.is_draining and all(model.ready for model in self.served())

    async def drain(self) -> None:
        """Refuse new requests and wait for those that were accepted."""
        self.is_draining = True
        for model in self.served():
            await model.drain()


def _key(name: str, version: str) -> str:
    return f"{name}/{version}"
