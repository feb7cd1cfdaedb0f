"""The first process of the desktop's own namespaces: mounts, xrdp, and the session. Ends with all of them.

Runs as process 1 of its process namespace, with a private mount namespace, started by desk.py; argument: the
desktop's folder. Uses the standard library only. What it mounts, nobody outside sees.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

USER = "noroshi-desk"
UID = 64310
HOME = Path("/home") / USER
KEPT = Path("/mnt/desk")  # the folder of the desktop, as seen after /run is covered
ETC = Path("/mnt/etc")

XRDP = f"""[Globals]
ini_version=1
fork=true
port=3389
tcp_nodelay=true
tcp_keepalive=true
security_layer=tls
crypt_level=high
certificate={KEPT}/cert.pem
key_file={KEPT}/key.pem
ssl_protocols=TLSv1.2, TLSv1.3
autorun=Xorg
allow_channels=true
bitmap_cache=true
bitmap_compression=true
bulk_compression=true
max_bpp=32
new_cursors=true
use_fastpath=both

[Logging]
LogFile={KEPT}/xrdp.log
LogLevel=INFO
EnableSyslog=false

[Channels]
rdpdr=false
rdpsnd=false
drdynvc=true
cliprdr=false
rail=false
xrdpvr=false

[Xorg]
name=Xorg
lib=libxup.so
username=ask
password=ask
ip=127.0.0.1
port=-1
code=20
"""

SESMAN = f"""[Globals]
ListenAddress=127.0.0.1
ListenPort=3350
EnableUserWindowManager=false
DefaultWindowManager={ETC}/session
ReconnectScript=/bin/true

[Security]
AllowRootLogin=false
MaxLoginRetry=4
AlwaysGroupCheck=false

[Sessions]
X11DisplayOffset=10
MaxSessions=10
KillDisconnected=false
DisconnectedTimeLimit=0
IdleTimeLimit=0
Policy=Default

[Logging]
LogFile={KEPT}/sesman.log
LogLevel=INFO
EnableSyslog=false

[Xorg]
param=/usr/lib/xorg/Xorg
param=-config
param=xrdp/xorg.conf
param=-noreset
param=-nolisten
param=tcp
param=-logfile
param=.xorgxrdp.%s.log

[Chansrv]
FileUmask=077
"""

HOSTS = "127.0.0.1 localhost desk\n::1 localhost\n"  # sesman listens on ::1 where there is IPv6

PAM = """auth required pam_unix.so
account required pam_unix.so
session required pam_unix.so
password required pam_deny.so
"""

SESSION = f"""#!/bin/sh
export LANG=C.UTF-8 LC_ALL=C.UTF-8
cd {HOME} || exit 1
xsetroot -solid '{{background}}' -cursor_name left_ptr
openbox --sm-disable &
xterm -fa 'DejaVu Sans Mono' -fd 'Noto Sans Mono CJK JP' -fs 17 \\
    -bg '#fff8e7' -fg '#1d2b3a' -geometry 50x9+70+60 \\
    -T 業務デスクトップ -e sh {ETC}/banner &
xterm -fa 'DejaVu Sans Mono' -fd 'Noto Sans Mono CJK JP' -fs 14 \\
    -bg '#10261c' -fg '#9fe8b4' -geometry 40x6+380+480 -T 時計 -e sh {ETC}/clock &
touch painted
wait
"""

BANNER = """printf '\\n  \\033[1m役所の業務デスクトップ\\033[0m\\n\\n'
printf '  この画面は本部のパソコンのものです。\\n  The desktop at HQ, as the laptop sees it.\\n\\n  '
for colour in 41 43 42 46 44 45; do printf '\\033[%sm      ' "$colour"; done
printf '\\033[0m\\n'
exec sleep infinity
"""

CLOCK = """while :; do
    printf '\\033[H\\n  %s\\n\\n' "$(date '+%Y-%m-%d %H:%M:%S')"
    printf '  %s\\n' "$(ip -4 -brief address show eth0 | tr -s ' ' | cut -d' ' -f3)"
    sleep 1
done
"""


def mount(*argv: str) -> None:
    subprocess.run(("mount", *argv), check=True)


def cover(folder: Path) -> None:
    """Lay a private, empty file system over what the host has in and above the desktop's folder."""
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/mnt")
    KEPT.mkdir()
    ETC.mkdir()
    mount("--bind", str(folder), str(KEPT))
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/home")
    mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/tmp")
    Path("/tmp/.X11-unix").mkdir()
    Path("/tmp/.X11-unix").chmod(0o1777)
    sockets = Path("/run/xrdp/sockdir")
    sockets.mkdir(parents=True)
    sockets.chmod(0o3777)
    HOME.mkdir(mode=0o700)
    os.chown(HOME, UID, UID)


def replace(path: str, content: str, mode: int = 0o644) -> None:
    """Show `content` at `path` to the processes in here."""
    copy = ETC / path.strip("/").replace("/", "-")
    copy.touch(mode=0o600)
    copy.write_text(content)
    copy.chmod(mode)
    mount("--bind", str(copy), path)


def person(password_hash: str) -> None:
    for path, line, mode in (
        ("/etc/passwd", f"{USER}:x:{UID}:{UID}::{HOME}:/bin/sh", 0o644),
        ("/etc/group", f"{USER}:x:{UID}:", 0o644),
        ("/etc/shadow", f"{USER}:{password_hash}:19000:0:99999:7:::", 0o600),
    ):
        replace(path, Path(path).read_text().rstrip("\n") + f"\n{line}\n", mode)


def script(name: str, content: str) -> None:
    (ETC / name).write_text(content)
    (ETC / name).chmod(0o755)


def sesman_listens() -> bool:
    """xrdp 0.9 listens on a TCP port, 0.10 on a socket file."""
    try:
        socket.create_connection(("localhost", 3350), timeout=1).close()
    except OSError:
        return any(Path("/run/xrdp").glob("**/sesman.socket"))
    return True


def log_on(password: str, geometry: str) -> None:
    """Start the user's session without a client."""
    while not sesman_listens():  # xrdp-sesrun that comes too early never recovers
        time.sleep(0.05)
    reading, writing = os.pipe()
    os.write(writing, password.encode())
    os.close(writing)
    argv = ("xrdp-sesrun", "-t", "Xorg", "-g", geometry, "-b", "32", "-F", str(reading), USER)
    subprocess.run(argv, pass_fds=(reading,), check=True, timeout=20)
    os.close(reading)


def open_session(password: str, geometry: str, background: str) -> None:
    script("session", SESSION.format(background=background))
    script("banner", BANNER)
    script("clock", CLOCK)
    log_on(password, geometry)
    while not (HOME / "painted").exists():
        time.sleep(0.02)
    (KEPT / "painted").touch()


def main(folder: Path, told: tuple[str, ...]) -> None:
    """`told`: the session's password, geometry and background; () for no session."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    cover(folder)
    person((KEPT / "hash").read_text().strip())
    replace("/etc/hosts", HOSTS)
    replace("/etc/pam.d/xrdp-sesman", PAM)
    replace("/etc/xrdp/xrdp.ini", XRDP)
    replace("/etc/xrdp/sesman.ini", SESMAN)
    subprocess.Popen(("xrdp-sesman", "-n"))
    subprocess.Popen(("xrdp", "-n"))
    if told:
        open_session(*told)
    while True:  # process 1 collects every orphan
        os.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), tuple(Path(sys.argv[1], "start").read_text().split()))
