"""Managers of kernels of this Python, which start warm whatever else the user has installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager, KernelManager
from traitlets import default

from migration_cookbook.kernels.provisioner import NAME

if TYPE_CHECKING:
    from jupyter_client.kernelspec import KernelSpec


class _OfThisPython(KernelManager):
    @default("kernel_spec_manager")
    def _own_kernels_only(self) -> KernelSpecManager:
        return KernelSpecManager(kernel_dirs=[str(Path(sys.prefix) / "share" / "jupyter" / "kernels")])

    @default("transport_encryption")
    def _quiet(self) -> str:
        # Without it each kernel warns on the terminal.
        return "auto"

    @property
    def kernel_spec(self) -> KernelSpec | None:
        """How the kernel is started: by the kit's own provisioner."""
        spec = super().kernel_spec
        if spec is not None:
            spec.metadata = {**spec.metadata, "kernel_provisioner": {"provisioner_name": NAME}}
        return spec


class WarmKernelManager(_OfThisPython):
    """A kernel that's waited for."""


class AsyncWarmKernelManager(_OfThisPython, AsyncKernelManager):
    """A kernel in an event loop."""
