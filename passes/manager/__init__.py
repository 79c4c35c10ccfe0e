"""Pass, contract, verification, records, recipes to pipelines."""

from .contract import Bounded, Budget, Certified, Contract, Exact
from .failure import ContractBroken
from .manager import PassManager
from .pass_ import Context, Pass, Replacement, Result
from .pipeline import Pipeline, Step, parse_passes, pipeline
from .record import CompileRecord, PassRecord
from .verdict import Finding, Verdict

__all__ = [
    "Bounded",
    "Budget",
    "Certified",
    "CompileRecord",
    "Context",
    "Contract",
    "ContractBroken",
    "Exact",
    "Finding",
    "Pass",
    "PassManager",
    "PassRecord",
    "Pipeline",
    "Replacement",
    "Result",
    "Step",
    "Verdict",
    "parse_passes",
    "pipeline",
]
