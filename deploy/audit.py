"""`make audit`: check every locked package for known vulnerabilities, and fail if one could not be checked.

pip-audit alone exits with 0 even if it skipped every package, as it does behind an index without that data.
"""

import json
import subprocess
import sys
from pathlib import Path

LOCKED = Path(__file__).resolve().parents[1] / "requirements"


def main() -> int:
    """Audit the packages of each service, and return the exit status."""
    is_well = True
    for file in (LOCKED / f"{name}.txt" for name in ("api", "worker", "ingest")):
        command = [
            "pip_audit",
            "--requirement",
            str(file),
            "--require-hashes",
            "--disable-pip",
            "--format",
            "json",
        ]
        done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
        try:
            packages = json.loads(done.stdout)["dependencies"]
        except (ValueError, KeyError):
            print(f"{file.stem}: pip-audit failed\n{done.stderr}", file=sys.stderr)
            return 1
        skipped = [package["name"] for package in packages if "skip_reason" in package]
        found = [
            f"{package['name']} {vuln['id']}" for package in packages for vuln in package.get("vulns", ())
        ]
        print(
            f"{file.stem}: {len(packages) - len(skipped)} of {len(packages)} packages audited, {len(found)} vulnerabilities"
        )
        for line in found:
            print(f"  {line}")
        if skipped:
            print(f"  not audited: {', '.join(skipped)}")
        is_well = is_well and bool(packages) and not skipped and not found
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
