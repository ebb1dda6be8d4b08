"""Starts workers and speaks with them. At most one of them runs at any time."""

import ctypes
import json
import os
import signal
import subprocess
import tempfile
import time

PR_SET_PDEATHSIG = 1  # of Linux' prctl


class WorkerFailed(Exception):
    """A worker ended, or answered with an error."""


def _end_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Worker:
    """A process that answers requests. Between requests it is stopped by a signal: a pool whose
    threads wait actively for the next task would take time from the engine that is measured."""

    def __init__(self, command, threads):
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads),
                       "RAYON_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "true",
                       "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
        environment.pop("LINNET_ISA", None)  # linnet takes the best level of the machine
        self.words = tempfile.TemporaryFile()
        self.started = time.perf_counter()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.words, env=environment,
                                        preexec_fn=_end_with_parent)
        self.stopped = False

    def ask(self, op, **request):
        """The reply to a request; throws WorkerFailed."""
        if self.stopped:
            self.process.send_signal(signal.SIGCONT)
            self.stopped = False
        try:
            self.process.stdin.write(json.dumps({"op": op, **request}).encode() + b"\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            status = self.process.wait()
            raise WorkerFailed(f"ended with status {status}: {self._last_words()}")
        self.process.send_signal(signal.SIGSTOP)
        self.stopped = True
        try:
            reply = json.loads(line)
        except ValueError:
            raise WorkerFailed(f"no JSON: {line[:80]!r}") from None
        if "error" in reply:
            raise WorkerFailed(reply["error"])
        return reply

    def _last_words(self):
        self.words.seek(0)
        lines = self.words.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "nothing on standard error"

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.words.close()
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
