"""An import-linter contract that exempts modules by name and so needs no list of files."""

from __future__ import annotations

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class LibraryApartContract(Contract):
    """The library modules of `package` reach `forbidden` by no chain of imports.

    Every module of the package is one of its library modules, except `__main__` and those in
    `exempt`: `cli` exempts `deploy.cli`, `deploy.cli.run` and `deploy.cli_train`, but not
    `deploy.clip`. Chains count: a library module may not go through an exempt one either.
    """

    package = fields.StringField()
    forbidden = fields.StringField()
    exempt = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Find the shortest chain from each library module to each forbidden one."""
        library = sorted(filter(self._is_library, graph.modules))
        targets = sorted({self.forbidden, *graph.find_descendants(self.forbidden)})
        found = (graph.find_shortest_chain(start, end) for start in library for end in targets)
        chains = [chain for chain in found if chain]
        return ContractCheck(kept=not chains, metadata={"chains": chains})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print every chain found."""
        for chain in check.metadata["chains"]:
            output.print_error(" -> ".join(chain))

    def _is_library(self, module: str) -> bool:
        top, *names = module.split(".")
        stem = names[0].split("_")[0] if names else ""
        exempt = stem in self.exempt or names[:1] == ["__main__"]
        return top == self.package and not exempt
