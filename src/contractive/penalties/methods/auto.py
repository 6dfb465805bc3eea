"""The choice among the methods."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from contractive.penalties.methods.autodiff import Autodiff
from contractive.penalties.methods.exact import cheapest
from contractive.penalties.methods.hutchinson import Hutchinson
from contractive.penalties.settings import Method
from contractive.settings import setting


@dataclass
class Auto(Method):
    """The cheapest exact method while a training step with it takes about ``max_ratio`` times a plain one at
    most, or adds no more than the estimate; else ``hutchinson`` with ``probes`` probes.

    Times are estimated as :mod:`contractive.penalties.cost` says. The choice is logged once, with its reason.
    """

    max_ratio: float = setting(3.0, "an exact method up to so many plain steps, else hutchinson", above=0)
    probes: int = setting(1, "random directions for each example, of hutchinson", low=1)

    def plan(self, structure: Any, x: Any) -> Any:
        """That of the method chosen, or the choice itself where the encoder has to be evaluated first."""
        from contractive.penalties.cost import work_of

        if structure.layers is None:
            return self._decide_when_evaluated()
        work = work_of(structure.layers, x)
        added, name, method = cheapest(structure, x, work)
        estimate = Hutchinson(probes=self.probes)
        affordable = self._affordable(added, name, estimate.seconds(structure, x, work), work, x)
        return (method if affordable else estimate).plan(structure, x)

    def _decide_when_evaluated(self) -> Any:
        # Neither the cost of such an encoder nor the size of its code is known before.
        from contractive.jacobian.linearise import with_derivative
        from contractive.penalties.cost import Count

        exact, estimate = Autodiff(), Hutchinson(probes=self.probes)
        decided: list[bool] = []

        def run(structure: Any, x: Any, generator: Any) -> Any:
            count = Count()

            def penalty(encoded: Any) -> Any:
                if not decided:
                    added = exact.sweep_seconds(x, encoded.code.shape[1], count.work)
                    other = estimate.seconds(structure, x, count.work)
                    decided.append(self._affordable(added, "autodiff", other, count.work, x))
                return exact.squared_norm(encoded) if decided[0] else estimate.estimate(encoded, generator)

            return with_derivative(structure.encoder, x, penalty, during=nullcontext() if decided else count)

        return run

    def _affordable(self, added: float, name: str, estimate: float, work: Any, x: Any) -> bool:
        import torch

        from contractive.jacobian.linearise import tell_once
        from contractive.penalties.cost import STEP

        # Encoder and decoder, forward and twice as much backward.
        ratio = 1 + added / (STEP + work.seconds(x, times=6))
        affordable = ratio <= self.max_ratio or added <= estimate
        if not torch.compiler.is_compiling():
            tell_once(
                f"penalty by {name if affordable else 'hutchinson'}: a step with {name} is estimated at "
                f"{ratio:.3g} plain steps, max_ratio is {self.max_ratio:g}"
            )
        return affordable
