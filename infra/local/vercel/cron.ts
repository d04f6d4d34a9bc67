import { request } from "undici";
import { parseCron } from "./cron-schedule.ts";
import type { Deployment, Store } from "./store.ts";

export interface CronOptions {
  store: Store;
  /** Where deployments are served. */
  deploymentsUrl: string;
  now: () => number;
  log(record: Record<string, unknown>): void;
}

const MINUTE_MS = 60_000;

/** Calls the `crons` of production deployments, as the platform does: in UTC, each minute that is due, no retries. */
export class CronScheduler {
  readonly #options: CronOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: CronOptions) {
    this.#options = options;
  }

  start(): void {
    const { now } = this.#options;
    this.#timer = setTimeout(
      () => {
        void this.#tick(now());
        this.start();
      },
      MINUTE_MS - (now() % MINUTE_MS),
    );
    this.#timer.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  /**
   * Runs the cron job with this path now, whatever its schedule.
   *
   * @returns one result for each production deployment that has such a job, status 0 when the connection was cut.
   */
  async trigger(path: string): Promise<{ project: string; status: number }[]> {
    const due = this.#production().flatMap((deployment) =>
      (deployment.output.config.crons ?? [])
        .filter((cron) => cron.path === path)
        .map((cron) => this.#run(deployment, cron)),
    );
    return Promise.all(due);
  }

  async #tick(at: number): Promise<void> {
    const enabled = this.#production().filter((deployment) => deployment.project.cronsDisabledAt === null);
    await Promise.all(
      enabled.flatMap((deployment) =>
        (deployment.output.config.crons ?? [])
          .filter((cron) => parseCron(cron.schedule)(at))
          .map((cron) => this.#run(deployment, cron)),
      ),
    );
  }

  #production(): Deployment[] {
    return [...this.#options.store.projects.values()].flatMap((project) => project.production ?? []);
  }

  async #run(deployment: Deployment, { path, schedule }: { path: string; schedule: string }) {
    const { deploymentsUrl, log } = this.#options;
    const secret = deployment.env.CRON_SECRET;
    const record = { project: deployment.project.name, deployment: deployment.id, path };
    const status = await request(new URL(path, deploymentsUrl), {
      headers: {
        host: `${deployment.project.name}.vercel.app`,
        "user-agent": "vercel-cron/1.0",
        "x-vercel-cron-schedule": schedule,
        ...(secret && { authorization: `Bearer ${secret}` }),
      },
    }).then(
      async ({ statusCode, body }) => {
        await body.dump();
        return statusCode;
      },
      () => 0,
    );
    log({ event: "cron", ...record, status });
    return { project: record.project, status };
  }
}
