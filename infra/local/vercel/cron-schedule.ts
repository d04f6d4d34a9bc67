/** The five-field cron expressions that Vercel accepts: UTC, numbers only, not both days of month and of week. */

const FIELDS = [
  { name: "minute", min: 0, max: 59 },
  { name: "hour", min: 0, max: 23 },
  { name: "day of month", min: 1, max: 31 },
  { name: "month", min: 1, max: 12 },
  { name: "day of week", min: 0, max: 6 },
] as const;

/** Whether the schedule is due in the minute of a moment (epoch ms). */
export type CronSchedule = (at: number) => boolean;

/** @throws TypeError that names the field which is wrong. */
export function parseCron(expression: string): CronSchedule {
  const parts = expression.trim().split(/\s+/);
  if (parts.length !== FIELDS.length) throw new TypeError(`"${expression}" has ${parts.length} fields, not 5`);
  if (parts[2] !== "*" && parts[4] !== "*") {
    throw new TypeError(`"${expression}" sets both day of month and day of week; leave one of them "*"`);
  }
  const wanted = FIELDS.map((field, index) => parseField(parts[index] ?? "", field));
  return (at) => {
    const time = new Date(at);
    const now = [time.getUTCMinutes(), time.getUTCHours(), time.getUTCDate(), time.getUTCMonth() + 1, time.getUTCDay()];
    return wanted.every((values, index) => values.has(now[index] ?? -1));
  };
}

function parseField(text: string, { name, min, max }: (typeof FIELDS)[number]): Set<number> {
  const values = new Set<number>();
  for (const item of text.split(",")) {
    const match = /^(?:\*|(\d+)(?:-(\d+))?)(?:\/(\d+))?$/.exec(item);
    if (!match) throw new TypeError(`"${item}" is not a ${name}; use *, numbers, ranges (1-5), steps (*/15), lists`);
    const step = Number(match[3] ?? 1);
    const from = match[1] === undefined ? min : Number(match[1]);
    // "5/15" means from 5 to the end of the range, "5" just 5.
    const to = match[2] !== undefined ? Number(match[2]) : match[1] === undefined || match[3] ? max : from;
    if (from < min || to > max || from > to || step < 1) {
      throw new TypeError(`"${item}" is not within ${min}-${max}, the range of ${name}`);
    }
    for (let value = from; value <= to; value += step) values.add(value);
  }
  return values;
}
