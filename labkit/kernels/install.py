"""Makes the provisioner known to Jupyter, also in a checkout, which has no entry points."""

from __future__ import annotations

from importlib.metadata import EntryPoint

from labkit.kernels import PROVISIONER


def register(default: bool = False) -> None:
    """For kernel specifications that name it; with `default`, for all that name none."""
    from jupyter_client.provisioning import KernelProvisionerFactory

    factory = KernelProvisionerFactory.instance()
    factory.provisioners[PROVISIONER] = EntryPoint(
        PROVISIONER, "labkit.kernels.provisioner:WarmProvisioner", factory.GROUP_NAME
    )
    if default:
        factory.default_provisioner_name = PROVISIONER
