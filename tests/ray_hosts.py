"""Hosts made of this machine: each with its own network, processes, /tmp and sshd."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from staging.local.child import Child, Program, start

REPOSITORY = Path(__file__).parents[1]
_SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
HOME = Path(pwd.getpwuid(os.geteuid()).pw_dir)
"""Where ssh looks, whatever the environment says."""
_DISK_BYTES = 1 << 30
_UNSHARE = ("unshare", "--net", "--pid", "--mount", "--fork")
_SSHD_CONFIG = """\
ListenAddress {address}
HostKey /tmp/host_key
AuthorizedKeysFile /tmp/authorized_keys
PasswordAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
PidFile none
MaxStartups 100
"""
_BOOT = """\
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o size=1g tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mkdir /run/sshd
{keep}
mount --rbind {folder}/home {home}
mount --rbind {folder} /tmp
until ip link show {link} > /dev/null 2>&1; do sleep 0.05; done
ip link set lo up
ip address add {address}/24 dev {link}
ip link set {link} up
ip route add default via {gateway}
{sshd} -D -e -f /tmp/sshd_config &
wait $!
"""


def missing_programs() -> str | None:
    """Say what has to be installed before hosts can be made; None if nothing."""
    missing = [name for name in ("ssh", "ssh-keygen", "rsync", "ip") if shutil.which(name) is None]
    missing += [] if _SSHD else ["sshd"]
    packages = "apt-get install -y openssh-server rsync iproute2"
    return f"{', '.join(missing)} is not installed: {packages}" if missing else None


def refusal() -> str | None:
    """Say why this kernel lets us make no hosts; None if it does."""
    if os.geteuid() != 0:
        return "only root makes hosts of namespaces"
    link = f"try{os.getpid()}"
    try_all = f"ip link add {link} type bridge && ip link add {link}v type veth"
    tried = subprocess.run(
        [*_UNSHARE, "sh", "-c", try_all], check=False, capture_output=True, text=True
    )
    return f"the kernel refuses namespaces: {tried.stderr.strip()}" if tried.returncode else None


@dataclass
class Host:
    """One host; `folder` is what it sees as /tmp, and the folder's `home` as its home."""

    address: str
    folder: Path
    child: Child

    @property
    def inside(self) -> list[str]:
        """The words that run a program on this host."""
        spaces = ["--net", "--pid", "--mount", "--wd=/"]
        return ["nsenter", "--target", str(_init_of(self.child.pid)), *spaces]

    def kill(self) -> None:
        """End all its processes at once, as a power failure does."""
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(_init_of(self.child.pid)).kill()
        self.child.stop()

    @contextlib.contextmanager
    def full_disk(self) -> Iterator[None]:
        """Leave no byte in its /tmp, where Ray and the tasks write, until the end."""
        path = self.folder / "full"
        with path.open("wb", 0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4096))
            assert shutil.disk_usage(path.parent).free < 4096
        yield
        path.unlink()

    def read(self, path: str) -> str:
        """Read files of its /tmp, for a failure's message."""
        found = sorted(self.folder.glob(path))
        return "\n".join(each.read_text(errors="replace") for each in found)


class HostNetwork:
    """A bridge of this machine with an address on it, and the hosts beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._number = os.getpid() % 250
        self._bridge = f"stg{os.getpid()}"
        self.gateway = f"10.213.{self._number}.1"
        self.hosts: list[Host] = []
        self.key = root / "key"
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key))
        _run("ip", "link", "add", self._bridge, "type", "bridge")
        _run("ip", "address", "add", f"{self.gateway}/24", "dev", self._bridge)
        _run("ip", "link", "set", self._bridge, "up")

    def address(self, number: int) -> str:
        """The address that the host of that number has, or will have."""
        return f"10.213.{self._number}.{number + 2}"

    def add(self) -> Host:
        """Start the next host; returns when its sshd answers."""
        number = len(self.hosts)
        address, folder = self.address(number), self.root / f"host-{number}"
        self._mount_disk(folder)
        (folder / "home").mkdir()
        (folder / "home/.bashrc").touch()
        shutil.copy(self.key.with_suffix(".pub"), folder / "authorized_keys")
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "host_key"))
        (folder / "sshd_config").write_text(_SSHD_CONFIG.format(address=address))
        link = f"{self._bridge}h{number}"
        boot = _BOOT.format(
            keep=_keep(folder),
            folder=folder,
            home=HOME,
            link=link,
            address=address,
            gateway=self.gateway,
            sshd=_SSHD,
        )
        child = start(
            Program(
                [*_UNSHARE, "--kill-child", "bash", "-c", boot],
                self.root / f"host-{number}.log",
                cwd=self.root,
                grace_seconds=1,
            )
        )
        host = Host(address, folder, child)
        self.hosts.append(host)
        self._connect(link, child.pid)
        _until_it_listens(address, self.root / f"host-{number}.log")
        return host

    def close(self) -> None:
        """End the hosts; the network goes with the bridge."""
        for each in self.hosts:
            each.kill()
            _run("umount", "--lazy", str(each.folder))
        _run("ip", "link", "delete", self._bridge)

    def _mount_disk(self, folder: Path) -> None:
        """Give a host a disk of its own, which can be full."""
        folder.mkdir()
        _run("mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", str(folder))

    def _connect(self, link: str, pid: int) -> None:
        _run("ip", "link", "add", f"{link}x", "type", "veth", "peer", "name", link)
        _run("ip", "link", "set", f"{link}x", "master", self._bridge, "up")
        _run("ip", "link", "set", link, "netns", str(_init_of(pid)))


@contextlib.contextmanager
def host_network() -> Iterator[HostNetwork]:
    """A network without hosts, which is gone afterwards with all that were added."""
    with tempfile.TemporaryDirectory(prefix="hosts-", ignore_cleanup_errors=True) as name:
        network = HostNetwork(Path(name))
        try:
            yield network
        finally:
            network.close()


class Relay:
    """Lets the hosts reach a server that listens on this machine's loopback alone."""

    def __init__(self, listen: str, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._server = socket.create_server((listen, 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(self._target)
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=_pass_on, args=pair, daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while sent := source.recv(1 << 16):
            target.sendall(sent)
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def _keep(folder: Path) -> str:
    """Let a host see this Python and this project even if they are below /tmp or its home."""
    needed = (REPOSITORY, Path(sys.prefix), Path(sys.base_prefix))
    places = ((Path("/tmp"), folder), (HOME, folder / "home"))
    return "\n".join(
        f"mkdir -p {seen / each.relative_to(place)}; mount --bind {each} "
        f"{seen / each.relative_to(place)}"
        for place, seen in places
        for each in needed
        if each.is_relative_to(place)
    )


def _init_of(unshare: int) -> int:
    """Find the first process of the host's own: when it ends, all of them do."""
    deadline = time.monotonic() + 60
    while not (below := psutil.Process(unshare).children()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int(below[0].pid)


def _until_it_listens(address: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection((address, 22), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        else:
            return


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
