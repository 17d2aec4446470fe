"""Jupyter's way to start a kernel: forked from a template where that's possible, cold elsewhere."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets.log import get_logger

from migration_cookbook.kernels.forking import CAN_FORK, TemplateError, fork_kernel

if TYPE_CHECKING:
    from subprocess import Popen

    from jupyter_client.connect import KernelConnectionInfo

#: The name under which Jupyter knows it, and the variable that chooses it.
NAME = "migration-cookbook"
VARIABLE = "JUPYTER_DEFAULT_PROVISIONER_NAME"

#: How IPython's kernel is started.
_LAUNCHER = ["-m", "ipykernel_launcher"]
#: Wishes that a forked kernel meets.
_KNOWN = {"env", "cwd", "extra_arguments", "kernel_id", "stdout", "stderr"}


class WarmProvisioner(LocalProvisioner):
    """Starts kernels of this Python warm, and all others as Jupyter does."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the kernel."""
        python, *words = cmd
        streams = _descriptor(kwargs.get("stdout"), 1), _descriptor(kwargs.get("stderr"), 2)
        if not (CAN_FORK and words[:2] == _LAUNCHER and set(kwargs) <= _KNOWN and min(streams) >= 0):
            return await super().launch_kernel(cmd, **kwargs)
        cwd = str(kwargs.get("cwd") or Path.cwd())
        try:
            forked = await asyncio.to_thread(
                fork_kernel, python, words[2:], cwd, kwargs.get("env") or os.environ, streams
            )
        except TemplateError as error:
            get_logger().warning("The kernel starts cold: the process to fork it from %s.", error)
            return await super().launch_kernel(cmd, **kwargs)
        # All that's asked of it is there.
        self.process = cast("Popen[bytes]", forked)
        # It leads a group of its own from its first steps on.
        self.pid = self.pgid = forked.pid
        self.cwd = cwd
        return self.connection_info

    async def send_signal(self, signum: int) -> None:
        """Send the kernel and what it started a signal; its number is somebody else's when it has ended."""
        if self.process is not None and self.process.poll() is None:
            await super().send_signal(signum)


def _descriptor(stream: Any, standard: int) -> int:
    """Return the descriptor that stands for a stream as `subprocess` takes it; negative for a pipe."""
    if stream is None:
        return standard
    return stream if isinstance(stream, int) else int(stream.fileno())
