/**
 * Starts a session's runner: one sandbox a session, bound to its policy from the first packet.
 *
 * Order: everything that can fail comes before the acknowledgement, since the item's secret is in the poll's answer
 * only and an item that was not acknowledged is handed out again (traps.md 10). What can still fail afterwards is
 * starting one command in a VM that was seen to work.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { type Handover, serializeHandover } from "../runner/handover.ts";
import { BOOT_PATH, HANDOVER_VARIABLE, INSTALL_DIR } from "../runner/vm.ts";
import { type ClaimLog, errorMessage, type Log } from "./log.ts";
import { CLAIM_TAG, ENVIRONMENT_TAG, RUNNER_TAG, STARTING, sandboxName } from "./naming.ts";
import type { SessionPolicy } from "./policy.ts";
import type { Sandboxes, SandboxHandle } from "./sandboxes.ts";

/**
 * Time between the runner's own deadline and the sandbox's end, in ms: pending calls get error results and the item is
 * released in it. The SDK drains for up to 30 s (contract §3.2).
 */
const TEARDOWN_MS = 60_000;

/** What a spawn needs to know of the deployment. */
export interface SpawnSettings {
  readonly environmentId: string;
  readonly snapshotId: string;
  readonly runnerDigest: string;
  readonly sandboxAnthropicUrl: string;
  readonly sessionTimeoutMs: number;
  readonly maxIdleMs: number;
}

/** What a spawn works with. */
export interface SpawnDeps {
  readonly sandboxes: Sandboxes;
  readonly policy: SessionPolicy;
  readonly settings: SpawnSettings;
  /** Is told what the policy was bound with. */
  readonly log: ClaimLog;
  readonly now: () => number;
  /** Makes ids that do not repeat. */
  readonly newId: () => string;
}

/** One claim of a session's work. */
export interface Claim {
  readonly workId: string;
  readonly sessionId: string;
  readonly sessionsToken: string;
  /** Of this session's customer, by the policy's credential names. */
  readonly customerCredentials: Readonly<Record<string, string>>;
  /** By the policy's variable names. */
  readonly variables: Readonly<Record<string, string>>;
}

/** A runner that was started. */
export interface StartedRunner {
  readonly sandbox: SandboxHandle;
  readonly commandId: string;
  /** When the sandbox ends whatever the runner does, in epoch ms. */
  readonly endsAt: number;
  /** Of the claim that started it: hides what this sandbox was given. */
  readonly log: Log;
}

/** The snapshot carries another runner than this deployment was released with. */
export class RunnerMismatchError extends Error {
  override name = "RunnerMismatchError";
}

/**
 * Creates the sandbox, checks the runner in it, calls `ack`, and starts the runner.
 *
 * A failure at any step discards the sandbox and is thrown. When it came after `ack`, the item is not stopped: a stopped
 * item never comes back by itself and its session waits for ever, while a lease that nobody beats lapses and is queued
 * again (contract §5.3).
 *
 * @param ack acknowledges the work item; called once, when nothing but the start of the runner is left to do
 * @throws SnapshotMissingError, NameTakenError, {@link RunnerMismatchError}, or what the API or `ack` threw
 */
export async function startRunner(
  claim: Claim,
  deps: SpawnDeps,
  ack: () => Promise<void>,
  signal: AbortSignal,
): Promise<StartedRunner> {
  const { sandboxes, policy, settings, now } = deps;
  const bound = policy.bind(claim.variables, claim.sessionsToken, claim.customerCredentials);
  deps.log.hide(bound.secrets);
  const endsAt = now() + settings.sessionTimeoutMs;
  const handover: Handover = {
    version: 1,
    environmentId: settings.environmentId,
    workId: claim.workId,
    sessionId: claim.sessionId,
    anthropicBaseUrl: settings.sandboxAnthropicUrl,
    deadlineMs: endsAt - TEARDOWN_MS,
    maxIdleMs: settings.maxIdleMs,
    variables: { ...claim.variables },
    tickets: { ...bound.tickets },
    policyDigest: policy.digest,
    runnerDigest: settings.runnerDigest,
  };
  const line = serializeHandover(handover);
  const tags = { [ENVIRONMENT_TAG]: settings.environmentId, [CLAIM_TAG]: deps.newId() };

  const sandbox = await sandboxes.create(
    {
      name: sandboxName(claim.sessionId),
      snapshotId: settings.snapshotId,
      networkPolicy: bound.networkPolicy,
      timeoutMs: settings.sessionTimeoutMs,
      tags: { ...tags, [RUNNER_TAG]: STARTING },
    },
    signal,
  );
  try {
    await checkRunner(sandbox, settings, signal);
    await ack();
    const commandId = await sandbox.start({ cmd: BOOT_PATH, env: { [HANDOVER_VARIABLE]: line } }, signal);
    await setTags(sandbox, { ...tags, [RUNNER_TAG]: commandId }).catch((error) => {
      // The runner works. Without the tag, the machine's list of commands tells whether it does (runner-exit.ts).
      deps.log.warn("sandbox.untagged", { session: claim.sessionId, error: errorMessage(error) });
    });
    return { sandbox, commandId, endsAt, log: deps.log };
  } catch (error) {
    // Not with `signal`: it may be what ended the start.
    await sandbox.discard().catch((discardError) => {
      deps.log.error("sandbox.discard_failed", { sandbox: sandbox.name, error: errorMessage(discardError) });
    });
    throw error;
  }
}

/** Tries three times, and not with the claim's signal: the runner runs, whatever becomes of the claim's time. */
async function setTags(sandbox: SandboxHandle, tags: Readonly<Record<string, string>>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await sandbox.setTags(tags, AbortSignal.timeout(5000));
    } catch (error) {
      if (attempt === 3) throw error;
      await sleep(attempt * 200);
    }
  }
}

const installed = z.object({ digest: z.string() });

/** Compares what the snapshot says it carries with the release. The supervisor checks the files themselves at boot. */
async function checkRunner(sandbox: SandboxHandle, settings: SpawnSettings, signal: AbortSignal): Promise<void> {
  const path = `${INSTALL_DIR}/manifest.json`;
  const content = await sandbox.readFile(path, signal);
  const found = content === null ? undefined : parseDigest(content);
  if (found === settings.runnerDigest) return;
  throw new RunnerMismatchError(
    `snapshot ${settings.snapshotId} carries runner ${found ?? `without a readable ${path}`}, and this deployment was ` +
      `released with ${settings.runnerDigest}: run \`pulumi up\` so that both come from one release`,
  );
}

function parseDigest(manifest: Buffer): string | undefined {
  try {
    return installed.parse(JSON.parse(manifest.toString("utf8"))).digest;
  } catch {
    return undefined;
  }
}
