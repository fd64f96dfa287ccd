"""Resources once per process, services joined to their adapters: the one place every entrance builds from.

What only workers need stands in `shared.wiring.worker`, so that an API process loads no collector.
"""

from shared.wiring.process import NotConfiguredError, ProcessContext

__all__ = ["NotConfiguredError", "ProcessContext"]
