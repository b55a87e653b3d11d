"""JupyterHub for a class on one Linux server: each student is a Unix user with a lab of their own.

docs/class-server.md says how it is set up, and how many students fit. Run as root, in a folder of its own.
https://jupyterhub.readthedocs.io/en/stable/reference/config-reference.html
"""

import asyncio
import os
import pwd
import sys
from pathlib import Path

LAB = "image-lab"  # the folder in each student's home
LABKIT = str(Path(sys.executable).with_name("labkit"))
IDLE_S = 3600  # a server that nobody has used for so long ends, with the embedded AWS beside it
STUDENTS, TEACHERS = "students", "teachers"  # Unix groups

c = get_config()  # noqa: F821  # JupyterHub brings it

# Who may come in: the members of two groups, with their own passwords on this server.
c.JupyterHub.authenticator_class = "pam"
c.PAMAuthenticator.allowed_groups = {STUDENTS, TEACHERS}
c.PAMAuthenticator.manage_groups = True  # Unix groups are groups of the hub
# Put a reverse proxy that speaks HTTPS before it, or name a certificate in c.JupyterHub.ssl_key and ssl_cert.
c.JupyterHub.bind_url = "http://127.0.0.1:8000"

# Each server lays the workbook out first: the first time all of it, later what is new. What a student changed stays.
c.Spawner.cmd = [LABKIT, "start", LAB, "--hub"]
c.Spawner.default_url = "/lab/tree/notebooks/00_check_your_lab.ipynb"
c.Spawner.start_timeout = c.Spawner.http_timeout = 180  # eight at once on two cores
c.JupyterHub.concurrent_spawn_limit = 8  # thirty students open their laptops in the same minute

# A lab in use takes about 300 MB; limits hold for all that a student starts, the embedded AWS included. They need
# systemd: without it a student can take all there is.
if Path("/run/systemd/system").is_dir():
    c.JupyterHub.spawner_class = "systemd"
    c.Spawner.mem_limit = "1G"
    c.Spawner.cpu_limit = 1.5
    c.SystemdSpawner.disable_user_sudo = True
    c.SystemdSpawner.isolate_tmp = True
else:
    c.JupyterHub.spawner_class = "localprocess"


async def stop_embedded_aws(spawner):
    """End a student's embedded AWS with the server, as the student: it would wait for an hour otherwise.

    If that takes too long, the hub's log says so, and the server ends all the same.
    """
    user = pwd.getpwnam(spawner.user.name)
    stopping = await asyncio.create_subprocess_exec(
        LABKIT,
        "stop",
        cwd="/",
        env={"PATH": os.defpath, "HOME": user.pw_dir, "LABKIT_WORKSPACE": str(Path(user.pw_dir) / LAB)},
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
    )
    await asyncio.wait_for(stopping.wait(), 60)


c.Spawner.post_stop_hook = stop_embedded_aws

c.JupyterHub.services = [
    {
        "name": "idle-culler",
        "command": [sys.executable, "-m", "jupyterhub_idle_culler", f"--timeout={IDLE_S}", "--cull-every=120"],
    }
]
c.JupyterHub.load_roles = [
    {
        "name": "idle-culler",
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
        "services": ["idle-culler"],
    },
    {  # teachers see who is there, open a student's server, and start or stop it
        "name": "teacher",
        "scopes": ["admin-ui", "list:users", "read:servers", "servers", "access:servers"],
        "groups": [TEACHERS],
    },
]
c.JupyterHub.load_groups = {TEACHERS: {"users": []}, STUDENTS: {"users": []}}
