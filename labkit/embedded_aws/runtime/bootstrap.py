"""The first code in an execution environment: makes the process look like Lambda's, then starts the runtime.

It runs under `python -S`, so that nothing of the machine's site-packages is there: what a function can import is
its own zip, the standard library, and what AWS's runtime brings (boto3 and what it needs).
Arguments: the task folder, the runtime folder, the folder that stands for /tmp, the handler, the folder that stands
for /opt (empty without layers).
"""

import builtins
import gc
import io
import os
import resource
import sys
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from typing import Any

_TASK_ROOT = "/var/task"


def redirect_paths(task: str, folder: str, kept: tuple[str, ...], layers: str) -> None:
    """Give this process a /tmp of its own: paths below /tmp go to `folder`, whatever Python opens them with.

    Paths below /var/task go to the code, those below /opt to the folder of the layers, if there are any.

    `kept` are folders that stay where they are: the code and the interpreter may themselves lie below /tmp.
    """

    def moved(path: Any) -> Any:
        if isinstance(path, int):
            return path
        text = os.fspath(path)
        if isinstance(text, bytes):
            return os.fsencode(moved(os.fsdecode(text)))
        if text == "/tmp" or (text.startswith("/tmp/") and not text.startswith(kept)):  # noqa: S108
            return folder + text[4:]
        if layers and (text == "/opt" or text.startswith("/opt/")):
            return layers + text[4:]
        if text == _TASK_ROOT or text.startswith(f"{_TASK_ROOT}/"):
            return task + text[len(_TASK_ROOT) :]
        return path

    def one_path(call: Any) -> Any:
        def wrapped(path: Any, *args: Any, **kwargs: Any) -> Any:
            return call(moved(path), *args, **kwargs)

        return wrapped

    def optional_path(call: Any) -> Any:
        def wrapped(path: Any = ".", *args: Any, **kwargs: Any) -> Any:
            return call(moved(path), *args, **kwargs)

        return wrapped

    def two_paths(call: Any) -> Any:
        def wrapped(source: Any, target: Any, *args: Any, **kwargs: Any) -> Any:
            return call(moved(source), moved(target), *args, **kwargs)

        return wrapped

    def replace(name: str, wrap: Any) -> None:
        original = getattr(os, name)
        wrapped = wrap(original)
        setattr(os, name, wrapped)
        for abilities in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
            if original in abilities:
                abilities.add(wrapped)  # shutil looks here for what it may ask

    names = "open stat lstat access mkdir rmdir remove unlink chmod utime truncate readlink chdir statvfs"
    for name in names.split():
        replace(name, one_path)
    for name in ["listdir", "scandir"]:
        replace(name, optional_path)
    for name in ["rename", "replace", "link", "symlink"]:
        replace(name, two_paths)
    io.open = builtins.open = one_path(builtins.open)


def name_code_as_lambda_does(task: str) -> None:
    """Let tracebacks say /var/task/fn.py, wherever the code really lies.

    https://docs.python.org/3/library/importlib.html#importlib.machinery.FileFinder
    """

    class Loader(SourceFileLoader):
        def source_to_code(  # type: ignore[override]  # what comes after the path differs from Python to Python
            self, data: Any, path: Any, *args: Any, **kwargs: Any
        ) -> Any:
            shown = os.fspath(path).replace(task, _TASK_ROOT, 1)
            return super().source_to_code(data, shown, *args, **kwargs)

    finder = FileFinder.path_hook(
        (ExtensionFileLoader, EXTENSION_SUFFIXES), (Loader, SOURCE_SUFFIXES), (SourcelessFileLoader, BYTECODE_SUFFIXES)
    )

    def find_in_task(path: str) -> Any:
        if path != task and not path.startswith(f"{task}/"):
            raise ImportError(path)
        return finder(path)

    sys.path_hooks.insert(0, find_in_task)


def rest_the_garbage_collector() -> None:
    """Let the garbage collector rest until the function waits for its first event.

    Nearly all that is made until then stays: on Python 3.11 a quarter of the time in which boto3 starts goes into
    looking through it, over and over. Frozen, it is never looked through again.
    https://docs.python.org/3/library/gc.html#gc.freeze
    """
    thresholds = gc.get_threshold()
    resting = (100_000, *thresholds[1:])  # a start that makes a lot of garbage is still cleaned up after
    gc.set_threshold(*resting)
    from awslambdaric.lambda_runtime_client import LambdaRuntimeClient

    wait = LambdaRuntimeClient.wait_next_invocation

    def wait_for_the_first(client: Any) -> Any:
        LambdaRuntimeClient.wait_next_invocation = wait
        if gc.get_threshold() == resting:  # unless the function has set it otherwise
            gc.freeze()
            gc.set_threshold(*thresholds)
        return wait(client)

    LambdaRuntimeClient.wait_next_invocation = wait_for_the_first


def _of_layers(layers: str) -> list[str]:
    """Return where layers keep what Python imports.

    https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html#packaging-layers-paths
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return [f"{layers}/python/lib/{version}/site-packages", f"{layers}/python"] if layers else []


def obey_file_modes() -> None:
    """Give up what lets root read and write whatever the modes say: a function is not root.

    Neither this process nor its children have these capabilities afterwards: CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH.
    https://man7.org/linux/man-pages/man7/capabilities.7.html
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, for 32 capabilities each, twice
    if libc.capget(header, sets):
        raise OSError(ctypes.get_errno(), "capget")
    for capability in (1, 2):
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP, for the children
        for place in (0, 1, 2):
            sets[place] &= ~(1 << capability)
    if libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "capset")


def main() -> None:
    """Set up and hand over to the runtime interface client, which never returns."""
    task, runtime, tmp, handler, layers = sys.argv[1:]
    sys.dont_write_bytecode = True  # /var/task is read-only
    sys.path = [task, *_of_layers(layers), *sys.path[1:], runtime]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
    packages = os.path.dirname(os.path.realpath(os.path.join(runtime, "boto3")))
    redirect_paths(task, tmp, (task, runtime, tmp, sys.prefix, sys.base_prefix, packages), layers)
    name_code_as_lambda_does(task)
    if sys.platform == "linux" and os.geteuid() == 0:
        obey_file_modes()
    sys.argv = ["bootstrap.py", handler]
    rest_the_garbage_collector()
    from awslambdaric import __main__ as runtime_interface_client

    runtime_interface_client.main(sys.argv)


main()
