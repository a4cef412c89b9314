"""Asks OSV, the public list of flaws, about packages: `python -m infra.supply.advisories FILE` of hashed requirements.

Exit codes: 0 none is known, 1 some are, 2 the service did not answer, so nothing is known either way.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

ASK = ("-m", "pip_audit", "--disable-pip", "--vulnerability-service", "osv", "--progress-spinner", "off")
LONGEST_S = 600


def ask(requirements: str, options: Sequence[str]) -> int:
    """Run pip-audit with its own ``options``. Says in one line if the service did not answer. Returns the exit code."""
    done = subprocess.run(
        [sys.executable, *ASK, "--requirement", requirements, *options],
        stderr=subprocess.PIPE,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    # pip-audit ends with 1 for a flaw, and also with a traceback if a call fails.
    if "Traceback" in done.stderr:
        sys.stderr.write(f"not audited: the advisory service did not answer: {done.stderr.splitlines()[-1]}\n")
        return 2
    sys.stderr.write(done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(ask(sys.argv[1], sys.argv[2:]))
