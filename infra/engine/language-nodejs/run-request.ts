import type { RunRequest } from "@pulumi/pulumi/proto/language_pb.js";

/** Command line of `@pulumi/pulumi/cmd/run` for one run of a program (its `usage()` lists the flags). */
export function runArguments(request: RunRequest, engineAddress: string): string[] {
  const info = request.getInfo();
  const flags: Record<string, string> = {
    monitor: request.getMonitorAddress(),
    engine: engineAddress,
    organization: request.getOrganization(),
    project: request.getProject(),
    stack: request.getStack(),
    "root-directory": info?.getRootDirectory() ?? "",
    pwd: request.getPwd(),
    parallel: request.getParallel() > 0 ? `${request.getParallel()}` : "",
  };
  return [
    ...Object.entries(flags).flatMap(([name, value]) => (value === "" ? [] : [`--${name}=${value}`])),
    ...(request.getDryrun() ? ["--dry-run"] : []),
    info?.getEntryPoint() || request.getProgram() || ".",
    ...request.getArgsList(),
  ];
}

/**
 * Environment of the run beside the host's own. Configuration goes this way, not by the command line, since it holds
 * decrypted secrets and every user of the machine can read a command line.
 */
export function runEnvironment(request: RunRequest): Record<string, string> {
  return {
    PULUMI_CONFIG: JSON.stringify(Object.fromEntries(request.getConfigMap().entries())),
    PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
    PULUMI_NODEJS_TYPESCRIPT: `${compilesTypeScript(request)}`,
  };
}

/** `runtime.options.typescript` of Pulumi.yaml: the SDK compiles with its vendored ts-node unless it is `false`. */
function compilesTypeScript(request: RunRequest): boolean {
  return request.getInfo()?.getOptions()?.getFieldsMap().get("typescript")?.getBoolValue() ?? true;
}
