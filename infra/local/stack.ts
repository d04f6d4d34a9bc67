/** The stack `local`: the real Pulumi engine on a file backend, configured for a local cloud that runs. */
import { randomBytes } from "node:crypto";
import { ensureLocalStack, type PulumiResult, runPulumi } from "../engine/pulumi.ts";
import type { LocalEndpoints } from "./cloud.ts";

export interface StackOptions {
  endpoints: LocalEndpoints;
  stateDir: string;
  name?: string;
  /** Folder of Pulumi.yaml; the checkout by default. */
  cwd?: string;
  onLine?: (line: string) => void;
}

/** Secrets of the example agent. In the local cloud they are made up, and guard the demo's CRM. */
export interface StackSecrets {
  crmToken: string;
  crmWriteToken: string;
}

export function randomSecrets(): StackSecrets {
  const token = () => randomBytes(24).toString("base64url");
  return { crmToken: `crm_read_${token()}`, crmWriteToken: `crm_write_${token()}` };
}

export class LocalStack {
  readonly #o: StackOptions;
  readonly name: string;

  constructor(options: StackOptions) {
    this.#o = options;
    this.name = options.name ?? "local";
  }

  /** Makes the stack unless it is there, and writes its configuration. */
  async configure(secrets: StackSecrets): Promise<void> {
    const { endpoints } = this.#o;
    await ensureLocalStack(this.name, { localDir: this.#o.stateDir, ...(this.#o.cwd && { cwd: this.#o.cwd }) });
    await this.set({
      plain: {
        anthropicBaseUrl: endpoints.anthropicBaseUrl,
        sandboxApiUrl: endpoints.sandboxApiUrl,
        vercelTeamId: endpoints.vercelTeamId,
        productionUrl: endpoints.deploymentsUrl,
      },
      secret: { anthropicApiKey: endpoints.apiKey, vercelToken: endpoints.vercelToken, ...secrets },
    });
  }

  /** Sets keys of the `handrail:` namespace. Secrets go through the engine's standard input, never its arguments. */
  async set(values: { plain?: Record<string, string>; secret?: Record<string, string> }): Promise<void> {
    const plain = Object.entries(values.plain ?? {}).flatMap(([key, value]) => [
      "--plaintext",
      `handrail:${key}=${value}`,
    ]);
    if (plain.length > 0) await this.must(["config", "set-all", ...plain], "the configuration was not set");
    for (const [key, value] of Object.entries(values.secret ?? {})) {
      await this.must(["config", "set", "--secret", `handrail:${key}`], `handrail:${key} was not set`, value);
    }
  }

  run(args: readonly string[], input?: string): Promise<PulumiResult> {
    return runPulumi(args, {
      ...(input !== undefined && { input }),
      stack: this.name,
      localDir: this.#o.stateDir,
      ...(this.#o.cwd && { cwd: this.#o.cwd }),
      ...(this.#o.onLine && { onLine: this.#o.onLine }),
    });
  }

  /** @throws with what the engine said, when the command fails. */
  async must(args: readonly string[], what: string, input?: string): Promise<PulumiResult> {
    const result = await this.run(args, input);
    if (result.code !== 0) {
      throw new Error(`${what}: pulumi ${args[0]} ended with ${result.code}\n${result.stdout}${result.stderr}`);
    }
    return result;
  }

  async up(): Promise<PulumiResult> {
    return this.must(["up", "--yes", "--skip-preview"], "the stack was not brought up");
  }

  async outputs(): Promise<Record<string, unknown>> {
    const { stdout } = await this.must(["stack", "output", "--json"], "the stack's outputs cannot be read");
    return JSON.parse(stdout) as Record<string, unknown>;
  }
}
