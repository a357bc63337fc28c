"""An import-linter contract that names what a package may import, and so refuses all else.

Unlike a list of forbidden modules it holds for modules that nobody has written yet.
"""

import sys
from collections.abc import Collection, Iterator
from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class AllowListContract(Contract):
    """Packages import directly only what is allowed.

    Options:
        importers: the packages that the contract binds.
        excepted:  packages inside `importers` that it does not bind (optional).
        scope:     only imports of these packages are judged; without it, every import except
                   those of the standard library (optional).
        allowed:   the packages that may be imported, beside the importers themselves.
    """

    type_name = "allowlist"

    importers = fields.ListField(subfield=fields.StringField())
    excepted = fields.ListField(subfield=fields.StringField(), required=False)
    scope = fields.ListField(subfield=fields.StringField(), required=False)
    allowed = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002
        """Collect the imports that the contract does not allow."""
        found = sorted(self._illegal(graph))
        return ContractCheck(kept=not found, metadata={"illegal": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print one line for each import that is not allowed."""
        for importer, imported in check.metadata["illegal"]:
            output.print_error(f"- {importer} may not import {imported}", bold=False)
        output.new_line()

    def _illegal(self, graph: ImportGraph) -> Iterator[tuple[str, str]]:
        importers, allowed = self._names("importers"), self._names("allowed")
        for importer in graph.modules:
            if not _inside(importer, importers) or _inside(importer, self._names("excepted")):
                continue
            for imported in graph.find_modules_directly_imported_by(importer):
                if self._judged(imported) and not _inside(imported, {*importers, *allowed}):
                    yield importer, imported

    def _judged(self, imported: str) -> bool:
        scope = self._names("scope")
        if scope:
            return _inside(imported, scope)
        return imported.partition(".")[0] not in sys.stdlib_module_names

    def _names(self, option: str) -> Collection[str]:
        return cast("list[str] | None", getattr(self, option)) or ()


def _inside(module: str, packages: Collection[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)
